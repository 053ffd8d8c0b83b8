import assert from 'node:assert/strict';
import { test } from 'node:test';
import { frameMessage } from '#http/grpc-message.ts';
import { MessageCounter } from './message-counter.ts';

test('messages are counted when their prefix is there, however the body is split', () => {
  const body = Buffer.concat(['one', '', 'a longer one'].map((text) => frameMessage(Buffer.from(text))));
  for (let step = 1; step <= body.length; step++) {
    const counter = new MessageCounter();
    for (let at = 0; at < body.length; at += step) counter.read(body.subarray(at, at + step));
    assert.equal(counter.messages, 3);
  }
});
