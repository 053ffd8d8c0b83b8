import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Base64Reader, encodeTrailers } from './framing.ts';

test('base64 comes out whole, however it is split, with padding in its midst', () => {
  const text = `${Buffer.from('a').toString('base64')}${Buffer.from('hello world').toString('base64')}`;
  for (let step = 1; step <= text.length; step++) {
    const reader = new Base64Reader();
    let out = '';
    for (let at = 0; at < text.length; at += step) {
      out += reader.read(Buffer.from(text.slice(at, at + step)))!.toString();
    }
    assert.equal(out, 'ahello world');
  }
});

test('what is no base64 is seen', () => {
  assert.equal(new Base64Reader().read(Buffer.from('a*bc')), undefined);
  assert.equal(new Base64Reader().read(Buffer.from('a===')), undefined);
});

test('trailers are a frame of their own', () => {
  const frame = encodeTrailers(['grpc-status', '0', 'grpc-message', 'ok']);
  assert.equal(frame.toString('latin1'), '\x80\0\0\0\x20grpc-status:0\r\ngrpc-message:ok\r\n');
});
