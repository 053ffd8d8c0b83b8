import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sortSteps } from './gradual-sort.ts';
import { seededRandom } from './random.ts';
import { atOnce } from './time-slice.ts';

type Item = readonly [key: number, place: number];
const byKey = ([a]: Item, [b]: Item): number => a - b;

describe('sorting in steps', () => {
  test('sorts as Array.sort does, equal items in their order', () => {
    const random = seededRandom(3);
    for (let i = 0; i < 300; i++) {
      const items = Array.from({ length: random.below(400) }, (_, place): Item => [random.below(50), place]);
      for (const runItems of [1, 7, 128]) {
        assert.deepEqual(atOnce(sortSteps(items, byKey, runItems)), items.toSorted(byKey));
      }
    }
  });

  test('pauses, and leaves what it was given as it was', () => {
    const items = Array.from({ length: 10_000 }, (_, place): Item => [(place * 7919) % 10_007, place]);
    const given = [...items];
    const sorting = sortSteps(items, byKey);
    let pauses = 0;
    let next = sorting.next();
    for (; next.done !== true; next = sorting.next()) pauses++;
    assert.deepEqual(next.value, given.toSorted(byKey));
    assert.deepEqual(items, given);
    assert.ok(pauses > 100, `${pauses} pauses`);
  });
});
