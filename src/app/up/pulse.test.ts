import assert from 'node:assert/strict';
import { beforeEach, describe, mock, test } from 'node:test';
import { Pulse } from './pulse.ts';

describe('Pulse', () => {
  let answers: boolean;
  let checks: number;
  let changes: boolean[];
  let pulse: Pulse;
  /** Lets timers due in `ms` run, and the promises behind them. */
  const pass = async (ms: number): Promise<void> => {
    mock.timers.tick(ms);
    for (let i = 0; i < 3; i++) await Promise.resolve();
  };

  beforeEach(() => {
    mock.timers.reset();
    mock.timers.enable({ apis: ['setTimeout'] });
    answers = false;
    checks = 0;
    changes = [];
    pulse = new Pulse({
      check: async () => {
        checks++;
        return answers;
      },
      onChange: (now) => changes.push(now),
      fastMs: 100,
      slowMs: 1_000,
    });
  });

  test('asks often until there is an answer, then seldom', async () => {
    pulse.start();
    await pass(0);
    await pass(100);
    assert.equal(checks, 2);
    answers = true;
    await pass(100);
    assert.deepEqual(changes, [true]);
    await pass(999);
    assert.equal(checks, 3);
    await pass(1);
    assert.equal(checks, 4);
    pulse.stop();
  });

  test('one answer that does not come is asked for again; the third in a row is believed', async () => {
    answers = true;
    pulse.start();
    await pass(0);
    for (const rounds of [1, 2]) {
      answers = false;
      await pass(1_000);
      if (rounds === 2) await pass(100);
      answers = true;
      await pass(100);
    }
    assert.deepEqual(changes, [true]);
    answers = false;
    await pass(1_000);
    await pass(100);
    assert.deepEqual(changes, [true]);
    await pass(100);
    assert.deepEqual(changes, [true, false]);
    pulse.stop();
  });

  test('what is known to be lost is said at once, and asked often again', async () => {
    answers = true;
    pulse.start();
    await pass(0);
    pulse.lost();
    assert.deepEqual(changes, [true, false]);
    await pass(100);
    assert.deepEqual(changes, [true, false, true]);
    pulse.stop();
  });

  test('an answer under way when it was lost, or stopped, does not count', async () => {
    answers = true;
    pulse.start();
    pulse.lost();
    await pass(0);
    assert.deepEqual(changes, []);
    await pass(100);
    pulse.stop();
    await pass(10_000);
    assert.deepEqual(changes, [true]);
    assert.equal(checks, 2);
  });
});
