import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FakeClock, fakeClock } from '#core/clock.ts';
import { leastRequest, roundRobin } from './policies.ts';
import { SlowStart, type SlowStartRules } from './slow-start.ts';
import { candidate, settings } from './suite.ts';

const WINDOW_MS = 10_000;
const plain: SlowStartRules = { windowMs: WINDOW_MS, aggression: 1, minRatio: 0.1 };

function starting(rules: SlowStartRules): { clock: FakeClock; slowStart: SlowStart } {
  const clock = fakeClock();
  return { clock, slowStart: new SlowStart(rules, () => clock.nowMs()) };
}

test('the part grows with age, from the least to the whole', () => {
  const { clock, slowStart } = starting(plain);
  const endpoint = candidate('a');
  assert.equal(slowStart.begin([endpoint]), true);
  const parts = [0, 1000, 4000, 4999].map((ms) => {
    clock.advance(ms);
    return slowStart.factorOf(endpoint);
  });
  assert.deepEqual(parts, [0.1, 0.1, 0.5, 0.9999]);
  clock.advance(1);
  assert.equal(slowStart.factorOf(endpoint), 1);
  clock.advance(1);
  assert.equal(slowStart.begin([endpoint]), false);
});

test('aggression: more at first', () => {
  const { clock, slowStart } = starting({ ...plain, aggression: 2 });
  const endpoint = candidate('a');
  slowStart.begin([endpoint]);
  clock.advance(2500);
  assert.equal(slowStart.factorOf(endpoint), 0.5);
});

test('endpoints that are not healthy do not begin', () => {
  const { clock, slowStart } = starting(plain);
  const ill = { ...candidate('a'), isHealthy: false };
  assert.equal(slowStart.begin([ill]), false);
  assert.equal(ill.healthySinceMs, undefined);
  clock.advance(50);
  assert.equal(slowStart.factorOf(ill), 1);
});

for (const policy of [roundRobin, leastRequest]) {
  test(`${policy.kind}: a new endpoint gets its part beside one that is not new`, () => {
    const { clock, slowStart } = starting(plain);
    const [old, fresh] = [candidate('old'), candidate('new')];
    slowStart.begin([old]);
    clock.advance(WINDOW_MS + 1);
    const picker = policy.build([old, fresh], [0.5, 0.5], settings({ slowStart }));
    clock.advance(WINDOW_MS / 4);
    const count = (): number =>
      Array.from({ length: 1000 }, () => picker.pick()!.address).filter((address) => address === 'new')
        .length;
    // A quarter against a whole: one of five.
    assert.ok(Math.abs(count() - 200) < 10);
    clock.advance(WINDOW_MS);
    assert.ok(Math.abs(count() - 500) < 10);
  });
}
