import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fakeClock } from './clock.ts';
import { seededRandom } from './random.ts';
import { createTimer, Timer, TimerScale, TimerWheel } from './timer-wheel.ts';

const LATEST_MS = 3;

describe('TimerWheel', () => {
  test('fires in time, near and far, and not what was disarmed', () => {
    const clock = fakeClock();
    const wheel = new TimerWheel(clock);
    const random = seededRandom(1);
    let fired = 0;
    for (let i = 0; i < 5000; i++) {
      const delayMs = random.ratio() < 0.5 ? random.ratio() * 3000 : random.ratio() * 5e6;
      const dueMs = clock.nowMs() + delayMs;
      const timer = new Timer(
        {
          onTimer() {
            fired++;
            const lateMs = clock.nowMs() - dueMs;
            assert.ok(lateMs >= 0 && lateMs < LATEST_MS, `${delayMs} ms fired ${lateMs} ms late`);
          },
        },
        0,
      );
      wheel.arm(timer, delayMs);
      if (i % 10 === 0) wheel.disarm(timer);
      if (i % 100 === 0) clock.advance(random.ratio() * 5000);
    }
    clock.advance(6e6);
    assert.equal(fired, 4500);
    assert.equal(wheel.size, 0);
  });

  test('what is postponed fires at its last time, once', () => {
    const clock = fakeClock();
    const wheel = new TimerWheel(clock);
    const times: number[] = [];
    const timer = new Timer({ onTimer: () => times.push(clock.nowMs()) }, 0);
    wheel.postpone(timer, 100);
    for (let i = 0; i < 10; i++) {
      clock.advance(50);
      wheel.postpone(timer, 100);
    }
    clock.advance(1000);
    assert.equal(times.length, 1);
    assert.ok(times[0]! >= 600 && times[0]! < 600 + LATEST_MS, String(times[0]));
  });

  test('a timer may arm itself again, and tells its kind', () => {
    const clock = fakeClock();
    const wheel = new TimerWheel(clock);
    const kinds: number[] = [];
    const timer: Timer = new Timer(
      {
        onTimer(kind) {
          kinds.push(kind);
          if (kinds.length < 3) wheel.arm(timer, 0);
        },
      },
      7,
    );
    wheel.arm(timer, 10);
    clock.advance(100);
    assert.deepEqual(kinds, [7, 7, 7]);
    assert.equal(timer.armed, false);
  });

  test('starts again at the present after it stood still', () => {
    const clock = fakeClock();
    const wheel = new TimerWheel(clock);
    clock.advance(10_000_000);
    let firedAtMs = 0;
    wheel.arm(new Timer({ onTimer: () => (firedAtMs = clock.nowMs()) }, 0), 20);
    clock.advance(100);
    assert.ok(firedAtMs >= 10_000_020 && firedAtMs < 10_000_020 + LATEST_MS, String(firedAtMs));
  });

  test('goes on after an owner threw, with the others of that moment too', () => {
    const clock = fakeClock();
    const wheel = new TimerWheel(clock);
    const fired: number[] = [];
    const note = { onTimer: (kind: number) => void fired.push(kind) };
    wheel.arm(new Timer(note, 1), 20);
    wheel.arm(new Timer({ onTimer: () => assert.fail('a bug') }, 2), 20);
    wheel.arm(new Timer(note, 3), 20);
    wheel.arm(new Timer(note, 4), 3000);
    assert.throws(() => clock.advance(LATEST_MS + 20), /a bug/);
    clock.advance(LATEST_MS);
    assert.deepEqual(fired.sort(), [1, 3]);
    clock.advance(3000);
    assert.deepEqual(fired, [1, 3, 4]);
    assert.equal(wheel.size, 0);
  });

  test('what has a scale is due by its factor, also where it was armed before', () => {
    const clock = fakeClock();
    const wheel = new TimerWheel(clock);
    const fired: number[] = [];
    const startMs = clock.nowMs();
    const owner = { onTimer: () => fired.push(clock.nowMs() - startMs) };
    const scale = new TimerScale(() => 100);
    const timer = createTimer(owner, 0, scale);
    const plain = createTimer(owner, 0, undefined);
    wheel.arm(timer, 100_000);
    wheel.arm(plain, 50_000);
    clock.advance(1000);
    scale.factor = 0.1;
    wheel.rescale(scale);
    clock.advance(9000);
    assert.deepEqual(fired, []);
    clock.advance(100);
    assert.equal(fired.length, 1);
    wheel.arm(timer, 100_000);
    scale.factor = 1;
    wheel.rescale(scale);
    clock.advance(89_000);
    assert.equal(fired.length, 2);
    scale.factor = 0;
    wheel.rescale(scale);
    clock.advance(LATEST_MS);
    assert.equal(fired.length, 3);
    assert.equal(wheel.size, 0);
    // A time-out shorter than the least stays as it is.
    assert.equal(scale.lengthOf(50), 50);
  });
});
