import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeClock } from '#core/clock.ts';
import { SessionStore } from './session-store.ts';
import { TicketKeys } from './ticket-keys.ts';

const secret = Buffer.alloc(32, 1);
const key = (byte: number): Uint8Array => Buffer.alloc(80, byte);
const DAY_MS = 24 * 60 * 60 * 1000;

test('contexts that ask the same have the same keys, on every thread', () => {
  const one = new TicketKeys([], secret, 'context', fakeClock());
  const two = new TicketKeys([], secret, 'context', fakeClock());
  assert.deepEqual(one.current, two.current);
  assert.equal(one.current.length, 48);
});

test('another context, another process: other keys', () => {
  const { current } = new TicketKeys([], secret, 'context', fakeClock());
  assert.notDeepEqual(new TicketKeys([], secret, 'other', fakeClock()).current, current);
  assert.notDeepEqual(new TicketKeys([], Buffer.alloc(32, 2), 'context', fakeClock()).current, current);
  const configured = new TicketKeys([key(1)], secret, 'context', fakeClock());
  assert.notDeepEqual(configured.current, current);
  assert.notDeepEqual(new TicketKeys([key(1)], secret, 'other', fakeClock()).current, configured.current);
});

test('keys of the process last a day', () => {
  const clock = fakeClock();
  const keys = new TicketKeys([], secret, 'context', clock);
  const { current } = keys;
  clock.advance(DAY_MS - 1);
  assert.equal(keys.current, current, 'the same object while nothing changes');
  clock.advance(1);
  assert.notDeepEqual(keys.current, current);
});

test('keys that were configured stay, and older ones are found by the name in a ticket', () => {
  const clock = fakeClock();
  const keys = new TicketKeys([key(1), key(2)], secret, 'context', clock);
  const alone = new TicketKeys([key(2)], secret, 'context', clock);
  const { current } = keys;
  clock.advance(2 * DAY_MS);
  assert.equal(keys.current, current);
  assert.deepEqual(keys.olderKey(alone.current.subarray(0, 16)), alone.current);
  assert.equal(keys.olderKey(current.subarray(0, 16)), undefined, 'the current one needs no change');
  assert.equal(keys.olderKey(Buffer.alloc(16)), undefined);
  assert.equal(keys.hasOlder, true);
  assert.equal(alone.hasOlder, false);
});

test('a client keeps a few sessions for each server, and the newest is the one to use', () => {
  const store = new SessionStore(2);
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((text) => Buffer.from(text)) as [
    Buffer,
    Buffer,
    Buffer,
    Buffer,
  ];
  for (const session of [a, b, c]) store.keep('one', session);
  store.keep('two', d);
  assert.equal(store.newest('one'), c);
  assert.equal(store.newest('one'), c);
  store.drop('one', c);
  assert.equal(store.newest('one'), b);
  store.drop('one', b);
  assert.equal(store.newest('one'), undefined, 'the first was one too many');
  assert.equal(store.newest('two'), d);
  const none = new SessionStore(0);
  none.keep('one', a);
  assert.equal(none.newest('one'), undefined);
});
