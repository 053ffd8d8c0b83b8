import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '#core/random.ts';
import { leastRequest, policies, roundRobin } from './policies.ts';
import { policySuite } from './suite.ts';

for (const policy of policies) policySuite(policy);

const settings = { random: seededRandom(1), choiceCount: 2, activeRequestBias: 1 };
const endpoint = (id: string, weight = 1, rqActive = 0) => ({ id, traits: { weight }, counts: { rqActive } });

test('round robin: each in turn', () => {
  const picker = roundRobin.build([endpoint('a'), endpoint('b'), endpoint('c')], settings);
  const turn = [1, 2, 3].map(() => picker.pick()!.id);
  assert.deepEqual([...turn].sort(), ['a', 'b', 'c']);
  assert.deepEqual(
    [1, 2, 3].map(() => picker.pick()!.id),
    turn,
  );
});

test('round robin with weights: heavy ones are spread, not bunched', () => {
  const picker = roundRobin.build([endpoint('a', 2), endpoint('b', 1)], settings);
  const picks = Array.from({ length: 9 }, () => picker.pick()!.id).join('');
  assert.ok(!picks.includes('aaa') && !picks.includes('bb'), picks);
});

test('least request: a busy endpoint is passed over', () => {
  const picker = leastRequest.build([endpoint('idle'), endpoint('busy', 1, 50)], settings);
  let busy = 0;
  for (let i = 0; i < 1000; i++) if (picker.pick()!.id === 'busy') busy++;
  assert.ok(busy < 300, `${busy} of 1000: only when it is drawn twice`);
});

test('least request with weights: load counts against weight', () => {
  const picker = leastRequest.build([endpoint('idle', 1), endpoint('busy', 2, 9)], settings);
  let busy = 0;
  for (let i = 0; i < 1000; i++) if (picker.pick()!.id === 'busy') busy++;
  assert.ok(busy > 100 && busy < 250, String(busy));
});
