/** What a stream keeps until it can be sent: all of it, in order, and not what it was cut from. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SendQueue } from './send-queue.ts';

test('bytes come out as they went in, whatever the pieces', () => {
  const step = fc.oneof(
    fc.record({ push: fc.nat({ max: 9000 }), copy: fc.boolean() }),
    fc.record({ take: fc.nat({ max: 20_000 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const queue = new SendQueue();
      const went: Buffer[] = [];
      const came: Buffer[] = [];
      const take = (bytes: number): void => {
        const into = Buffer.alloc(bytes + 3);
        queue.take(bytes, into, 3);
        came.push(into.subarray(3));
      };
      for (const [nth, one] of steps.entries()) {
        if ('take' in one) take(Math.min(one.take, queue.bytes));
        else if (one.push > 0) {
          const piece = Buffer.alloc(one.push, nth + 1);
          went.push(Buffer.from(piece));
          queue.push(piece, one.copy);
          // Small pieces are always gathered, others only where they are lent.
          if (one.copy) piece.fill(0xff);
        }
      }
      take(queue.bytes);
      assert.ok(Buffer.concat(came).equals(Buffer.concat(went)));
    }),
    { numRuns: 300 },
  );
});

test('a small part of what was read does not keep the rest', () => {
  const read = Buffer.allocUnsafeSlow(64 * 1024).fill('a');
  const queue = new SendQueue();
  queue.push(read.subarray(0, 16 * 1024), false);
  read.fill('b');
  const into = Buffer.alloc(16 * 1024);
  queue.take(into.length, into, 0);
  assert.equal(into.toString('latin1', 0, 5), 'aaaaa');
});

test('a large part is not copied', () => {
  const read = Buffer.allocUnsafeSlow(64 * 1024).fill('a');
  const queue = new SendQueue();
  queue.push(read.subarray(9), false);
  read.fill('b');
  const into = Buffer.alloc(5);
  queue.take(into.length, into, 0);
  assert.equal(into.toString('latin1'), 'bbbbb');
});
