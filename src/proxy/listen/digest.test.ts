import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digest } from './digest.ts';

test('is made without being asked for when some time has gone by: the message is not kept', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let encoded = 0;
  const made = digest(() => {
    encoded++;
    return Uint8Array.of(1);
  });
  t.mock.timers.tick(60_000);
  assert.equal(encoded, 1);
  made();
  assert.equal(encoded, 1);
});

test('is made when it is asked for, once', () => {
  let encoded = 0;
  const of = (byte: number) =>
    digest(() => {
      encoded++;
      return Uint8Array.of(byte);
    });
  const [one, same, other] = [of(1), of(1), of(2)];
  assert.equal(encoded, 0);
  assert.equal(one(), same());
  assert.notEqual(one(), other());
  one();
  assert.equal(encoded, 3);
});
