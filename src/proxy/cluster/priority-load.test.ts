import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadOfPriorities, priorityAt } from './priority-load.ts';

interface Row {
  readonly why: string;
  /** healthy/total of each priority. */
  readonly health: readonly (readonly [healthy: number, total: number])[];
  readonly threshold?: number;
  readonly load: readonly number[];
  readonly panics?: readonly boolean[];
}

// The first rows are the tables of Envoy's documentation ("Priority levels", "Panic threshold").
const rows: readonly Row[] = [
  {
    why: 'enough healthy endpoints',
    health: [
      [75, 100],
      [100, 100],
    ],
    load: [100, 0],
  },
  {
    why: '71 percent healthy times 1.4',
    health: [
      [71, 100],
      [100, 100],
    ],
    load: [99, 1],
  },
  {
    why: 'half healthy',
    health: [
      [50, 100],
      [100, 100],
    ],
    load: [70, 30],
  },
  {
    why: 'a quarter healthy',
    health: [
      [25, 100],
      [100, 100],
    ],
    load: [35, 65],
  },
  {
    why: 'none healthy',
    health: [
      [0, 100],
      [100, 100],
    ],
    load: [0, 100],
  },
  {
    why: 'not enough in all, scaled up, and rounding goes to the first',
    health: [
      [25, 100],
      [25, 100],
      [10, 100],
    ],
    threshold: 0.05,
    load: [43, 41, 16],
  },
  {
    why: 'three priorities that add up',
    health: [
      [25, 100],
      [25, 100],
      [50, 100],
    ],
    load: [35, 35, 30],
    panics: [false, false, false],
  },
  {
    why: 'one in panic, the other not',
    health: [
      [5, 100],
      [60, 100],
    ],
    load: [8, 92],
    panics: [true, false],
  },
  {
    why: 'nothing healthy: everything panics, by the number of endpoints',
    health: [
      [0, 1],
      [0, 2],
    ],
    load: [34, 66],
    panics: [true, true],
  },
  {
    why: 'nothing healthy and no panic',
    health: [
      [0, 1],
      [0, 2],
    ],
    threshold: 0,
    load: [100, 0],
    panics: [false, false],
  },
];

for (const { why, health, threshold = 0.5, load, panics = health.map(() => false) } of rows) {
  test(why, () => {
    const found = loadOfPriorities(
      health.map(([healthy, total]) => ({ healthy, total })),
      threshold,
    );
    assert.deepEqual(found.inPanic, panics);
    assert.deepEqual(found.load, load);
    assert.equal(
      found.load.reduce((sum, percent) => sum + percent, 0),
      100,
    );
  });
}

test('points fall where the percents say', () => {
  assert.deepEqual(
    [0, 34, 35, 99].map((point) => priorityAt([35, 0, 65], point)),
    [0, 0, 2, 2],
  );
});
