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
    threshold: 5,
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

for (const { why, health, threshold = 50, load, panics = health.map(() => false) } of rows) {
  test(why, () => {
    const found = loadOfPriorities(
      health.map(([healthy, total]) => ({ healthy, degraded: 0, counted: total, total })),
      { panicPercent: threshold, overprovisioning: 140 },
    );
    assert.deepEqual(found.inPanic, panics);
    assert.deepEqual(found.healthy, load);
    assert.ok(found.degraded.every((percent) => percent === 0));
    assert.equal(
      found.healthy.reduce((sum, percent) => sum + percent, 0),
      100,
    );
  });
}

interface DegradedRow {
  readonly why: string;
  /** healthy, degraded and excluded of 100 in each priority. */
  readonly health: readonly (readonly [healthy: number, degraded: number, excluded?: number])[];
  readonly overprovisioning?: number;
  readonly healthy: readonly number[];
  readonly degraded: readonly number[];
}

// The first is the table of Envoy's documentation ("Degraded endpoints").
const degradedRows: readonly DegradedRow[] = [
  { why: 'degraded ones take what healthy ones cannot', health: [[25, 75]], healthy: [35], degraded: [65] },
  {
    why: 'healthy ones of the next priority come first',
    health: [
      [0, 100],
      [100, 0],
    ],
    healthy: [0, 100],
    degraded: [0, 0],
  },
  {
    why: 'nothing but degraded ones',
    health: [
      [0, 60],
      [0, 20],
    ],
    healthy: [0, 0],
    degraded: [84, 16],
  },
  {
    why: 'too little of both is scaled up, and rounding goes to the first healthy priority',
    health: [
      [7, 14],
      [14, 7],
      [7, 0],
    ],
    overprovisioning: 100,
    healthy: [16, 28, 14],
    degraded: [28, 14, 0],
  },
  { why: 'excluded ones do not count', health: [[50, 0, 50]], healthy: [100], degraded: [0] },
];

for (const { why, health, overprovisioning = 140, ...expected } of degradedRows) {
  test(why, () => {
    const { healthy, degraded, inPanic } = loadOfPriorities(
      health.map(([ok, poor, excluded = 0]) => ({
        healthy: ok,
        degraded: poor,
        counted: 100 - excluded,
        total: 100,
      })),
      { panicPercent: 0, overprovisioning },
    );
    assert.deepEqual({ healthy, degraded }, expected);
    assert.ok(inPanic.every((panics) => !panics));
  });
}

test('weights count in place of endpoints where the assignment says so', () => {
  const found = loadOfPriorities(
    [
      { healthy: 1, degraded: 0, counted: 2, total: 2, weights: { healthy: 1, degraded: 0, counted: 10 } },
      { healthy: 1, degraded: 0, counted: 1, total: 1 },
    ],
    { panicPercent: 50, overprovisioning: 140 },
  );
  assert.deepEqual(found.healthy, [14, 86]);
});

test('points fall where the percents say', () => {
  assert.deepEqual(
    [0, 34, 35, 99].map((point) => priorityAt([35, 0, 65], point)),
    [0, 0, 2, 2],
  );
});
