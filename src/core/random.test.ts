import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom, systemRandom } from './random.ts';

test('ids are version 4 UUIDs, and different', () => {
  const random = systemRandom();
  const ids = Array.from({ length: 1000 }, () => random.uuid());
  for (const id of ids)
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(new Set(ids).size, ids.length);
});

test('the same seed, the same sequence', () => {
  const draw = (seed: number): number[] => {
    const random = seededRandom(seed);
    return Array.from({ length: 5 }, () => random.below(1000));
  };
  assert.deepEqual(draw(1), draw(1));
  assert.notDeepEqual(draw(1), draw(2));
});
