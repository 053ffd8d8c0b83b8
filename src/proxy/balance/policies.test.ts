import assert from 'node:assert/strict';
import { test } from 'node:test';
import { maglev, ringHash } from './hashing.ts';
import { leastRequest, random, roundRobin } from './policies.ts';
import { candidate, policySuite, settings } from './suite.ts';

for (const policy of [roundRobin, random, leastRequest, ringHash(), maglev()]) policySuite(policy);

test('round robin: each in turn', () => {
  const picker = roundRobin.build(['a', 'b', 'c'].map(candidate), [1 / 3, 1 / 3, 1 / 3], settings());
  const turn = [1, 2, 3].map(() => picker.pick()!.address);
  assert.deepEqual([...turn].sort(), ['a', 'b', 'c']);
  assert.deepEqual(
    [1, 2, 3].map(() => picker.pick()!.address),
    turn,
  );
});

test('round robin with weights: heavy ones are spread, not bunched', () => {
  const picker = roundRobin.build(['a', 'b'].map(candidate), [2 / 3, 1 / 3], settings());
  const picks = Array.from({ length: 9 }, () => picker.pick()!.address).join('');
  assert.ok(!picks.includes('aaa') && !picks.includes('bb'), picks);
});

test('least request: a busy endpoint is passed over', () => {
  const picker = leastRequest.build([candidate('idle'), candidate('busy', 50)], [0.5, 0.5], settings());
  let busy = 0;
  for (let i = 0; i < 1000; i++) if (picker.pick()!.address === 'busy') busy++;
  assert.ok(busy < 300, `${busy} of 1000: only when it is drawn twice`);
});

test('least request with weights: load counts against weight', () => {
  const picker = leastRequest.build([candidate('idle'), candidate('busy', 9)], [1 / 3, 2 / 3], settings());
  let busy = 0;
  for (let i = 0; i < 1000; i++) if (picker.pick()!.address === 'busy') busy++;
  assert.ok(busy > 100 && busy < 250, String(busy));
});
