import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '#core/random.ts';
import { jittered } from './jitter.ts';

test('a time is lengthened by its jitter at most', () => {
  const random = seededRandom(1);
  const drawn = Array.from({ length: 100 }, () => jittered(1000, 0.2, random));
  assert.ok(drawn.every((ms) => ms >= 1000 && ms < 1200));
  assert.ok(new Set(drawn).size > 90);
  assert.equal(jittered(1000, 0, random), 1000);
});
