import assert from 'node:assert/strict';
import { test } from 'node:test';
import { frameMessage, MessageReader } from './grpc-message.ts';

const bodies = [Buffer.from('first'), Buffer.alloc(0), Buffer.from('third')];
const body = Buffer.concat(bodies.map(frameMessage));

test('messages come out whole, however the body is split', () => {
  for (let step = 1; step <= body.length; step++) {
    const reader = new MessageReader(100);
    const read: string[] = [];
    for (let at = 0; at < body.length; at += step) {
      assert.equal(
        reader.read(body.subarray(at, at + step), (message) => read.push(message.toString())),
        '',
      );
    }
    assert.deepEqual(read, ['first', '', 'third']);
    assert.ok(reader.atBoundary);
  }
});

test('a message above the limit, and a compressed one, are refused', () => {
  assert.match(
    new MessageReader(4).read(body, () => {}),
    /a message of 5 bytes, above the limit of 4/,
  );
  assert.match(
    new MessageReader(4).read(Buffer.from([1, 0, 0, 0, 0]), () => {}),
    /compressed/,
  );
});

test('a body that ends within a message is seen', () => {
  const reader = new MessageReader(100);
  reader.read(body.subarray(0, 7), () => {});
  assert.equal(reader.atBoundary, false);
});
