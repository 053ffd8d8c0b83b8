import assert from 'node:assert/strict';
import { describe, mock, type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { PushQueue } from './push-queue.ts';

const quietMs = 10;
const maxMs = 100;

interface Bench {
  readonly queue: PushQueue<string>;
  readonly pushed: string[];
  readonly failures: unknown[];
  starts(): number;
  /** Lets time pass a millisecond a step, with turns of the event loop in between. */
  pass(ms: number): Promise<void>;
}

function bench(t: TestContext, proxies: readonly string[], push?: (proxy: string) => void): Bench {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let nowMs = 0;
  const clock = mock.method(performance, 'now', () => nowMs);
  t.after(() => clock.mock.restore());
  const pushed: string[] = [];
  const failures: unknown[] = [];
  let starts = 0;
  const queue = new PushQueue<string>(
    {
      quietMs,
      maxMs,
      started: () => void starts++,
      push: (proxy) => {
        push?.(proxy);
        pushed.push(proxy);
      },
      failed: (_proxy, error) => void failures.push(error),
    },
    () => proxies,
  );
  t.after(() => queue.close());
  return {
    queue,
    pushed,
    failures,
    starts: () => starts,
    async pass(ms): Promise<void> {
      for (let i = 0; i < ms; i++) {
        nowMs++;
        t.mock.timers.tick(1);
        await turn();
      }
    },
  };
}

describe('PushQueue', () => {
  test('waits until a burst has ended, then tells every proxy once', async (t) => {
    const { queue, pushed, starts, pass } = bench(t, ['a', 'b']);
    for (let i = 0; i < 5; i++) {
      queue.changed();
      await pass(quietMs - 1);
    }
    assert.deepEqual(pushed, []);
    await pass(5);
    assert.deepEqual(pushed, ['a', 'b']);
    assert.equal(starts(), 1);
  });

  test('does not wait for ever for a burst that does not end', async (t) => {
    const { queue, pushed, pass } = bench(t, ['a']);
    for (let i = 0; i < maxMs + 5; i++) {
      queue.changed();
      await pass(1);
    }
    assert.deepEqual(pushed, ['a']);
  });

  test('a proxy that waits for its turn is told once of two bursts', async (t) => {
    const proxies = Array.from({ length: 50 }, (_, i) => String(i));
    const { queue, pushed, pass } = bench(t, proxies);
    queue.changed();
    await pass(quietMs + 3);
    assert.ok(queue.waiting > 0 && queue.waiting < 50, 'one proxy a turn');
    const told = pushed.length;
    queue.changed();
    await pass(quietMs);
    await pass(80);
    assert.equal(queue.waiting, 0);
    assert.ok(pushed.length < 100, 'those that still waited were not told twice');
    assert.ok(pushed.length >= 50 + told - 1);
  });

  test('a failure with one proxy does not keep the others from theirs', async (t) => {
    const { queue, pushed, failures, pass } = bench(t, ['a', 'b'], (proxy) => {
      if (proxy === 'a') throw new Error('no');
    });
    queue.changed();
    await pass(quietMs + 5);
    assert.deepEqual(pushed, ['b']);
    assert.equal(failures.length, 1);
  });

  test('forgets a proxy that left, and everything when closed', async (t) => {
    const { queue, pushed, pass } = bench(t, ['a', 'b', 'c']);
    queue.changed();
    await pass(quietMs);
    queue.remove('c');
    await pass(5);
    assert.ok(!pushed.includes('c'));
    queue.changed();
    queue.close();
    await pass(quietMs + 5);
    assert.equal(pushed.length, 2);
  });
});
