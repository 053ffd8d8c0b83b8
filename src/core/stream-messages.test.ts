import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StreamMessages, streamMessage } from './stream-messages.ts';

test('messages come out whole, however they are cut', () => {
  const sent = ['', 'a', 'bc'.repeat(300), 'd'].map((text) => Buffer.from(text));
  const stream = Buffer.concat(sent.map(streamMessage));
  for (const size of [1, 2, 3, 7, 100, stream.length]) {
    const messages = new StreamMessages();
    const received: Buffer[] = [];
    for (let at = 0; at < stream.length; at += size) {
      messages.push(stream.subarray(at, at + size));
      for (let next = messages.next(); next !== undefined; next = messages.next()) received.push(next);
    }
    assert.deepEqual(received, sent, `${size} bytes at a time`);
  }
});
