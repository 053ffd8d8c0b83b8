import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteWriter } from './byte-writer.ts';

test('grows and keeps what was written', () => {
  const out = new ByteWriter(2);
  for (let i = 0; i < 5000; i++) {
    out.reserve(1);
    out.buffer[out.length++] = i;
  }
  assert.equal(out.length, 5000);
  for (let i = 0; i < 5000; i++) if (out.buffer[i] !== (i & 0xff)) assert.fail(String(i));
  assert.ok(out.buffer.length < 20_000);
});

test('one reservation may be larger than all before', () => {
  const out = new ByteWriter(2);
  out.reserve(100_000);
  assert.ok(out.buffer.length >= 100_000);
});

test('starts again in the same buffer, unless that became large', () => {
  const out = new ByteWriter();
  const { buffer } = out;
  out.reserve(10);
  out.length = 10;
  out.reset();
  assert.equal(out.length, 0);
  assert.equal(out.buffer, buffer);
  out.reserve(1_000_000);
  out.reset();
  assert.ok(out.buffer.length < 65_536);
});
