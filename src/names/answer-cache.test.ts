import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encode, type Packet } from 'dns-packet';
import { fakeClock } from '#core/clock.ts';
import { AnswerCache, lifetimeS } from './answer-cache.ts';
import { readMessage } from './message.ts';
import type { Relayable } from './reply.ts';

const questions: NonNullable<Packet['questions']> = [{ type: 'A', name: 'a.example.com' }];
const soa = (ttl: number, minimum: number): NonNullable<Packet['authorities']>[number] => ({
  type: 'SOA',
  name: 'example.com',
  ttl,
  data: {
    mname: 'ns.example.com',
    rname: 'x.example.com',
    serial: 1,
    refresh: 1,
    retry: 1,
    expire: 1,
    minimum,
  },
});
const a = (ttl: number): NonNullable<Packet['answers']>[number] => ({
  type: 'A',
  name: 'a.example.com',
  ttl,
  data: '192.0.2.1',
});
const alias = (ttl: number): NonNullable<Packet['answers']>[number] => ({
  type: 'CNAME',
  name: 'a.example.com',
  ttl,
  data: 'b.example.com',
});
const NO_NAME = 3;

function answer(packet: Packet, flags = 0): Relayable {
  const bytes = encode({ type: 'response', flags, questions, ...packet });
  return { bytes, message: readMessage(bytes)! };
}

describe('how long an answer holds', () => {
  const cases: [answer: Relayable, seconds: number, why: string][] = [
    [answer({ answers: [a(60)] }), 60, 'what it says'],
    [answer({ answers: [alias(20), a(60)] }), 20, 'the shortest of a chain'],
    [answer({ answers: [a(0)] }), 0, 'not at all'],
    [answer({ answers: [a(0xffff_ffff)] }), 0, 'a negative number (RFC 2181 §8)'],
    [answer({ answers: [a(1e6)] }), 3600, 'an hour at most'],
    [answer({ authorities: [soa(60, 10)] }), 10, 'nothing of that type: the minimum of SOA'],
    [answer({ authorities: [soa(5, 10)] }, NO_NAME), 5, 'no such name: what SOA itself has to live'],
    [answer({ authorities: [soa(1e5, 1e5)] }, NO_NAME), 300, 'nothing: five minutes at most'],
    [answer({ answers: [alias(60)], authorities: [soa(30, 20)] }), 20, 'another name without an address'],
    [answer({ answers: [alias(60)] }), 0, 'another name without an address, and nobody says how long'],
    [answer({}, NO_NAME), 0, 'no such name, and nobody says how long'],
    [answer({ answers: [a(60)] }, 2), 0, 'a failure'],
    [answer({ answers: [a(60)] }, 0x0200), 0, 'a part of an answer'],
  ];
  for (const [given, seconds, why] of cases) {
    test(`${seconds} s (${why})`, () => assert.equal(lifetimeS(given), seconds));
  }
});

describe('the cache', () => {
  test('gives an answer with its age until it is over', () => {
    const clock = fakeClock();
    const cache = new AnswerCache(clock);
    const given = answer({ answers: [a(60)] });
    cache.put('k', given);
    clock.advance(59_999);
    assert.deepEqual(cache.get('k'), { answer: given, ageS: 59 });
    clock.advance(1);
    assert.equal(cache.get('k'), undefined);
    assert.equal(cache.size, 0);
  });

  test('lets go of what was not asked for longest', () => {
    const cache = new AnswerCache({ nowMs: () => 0, maxEntries: 2 });
    for (const key of ['a', 'b']) cache.put(key, answer({ answers: [a(60)] }));
    assert.ok(cache.get('a') !== undefined);
    cache.put('c', answer({ answers: [a(60)] }));
    assert.deepEqual(
      ['a', 'b', 'c'].map((key) => cache.get(key) !== undefined),
      [true, false, true],
    );
  });

  test('keeps no answer of many kilobytes', () => {
    const cache = new AnswerCache({ nowMs: () => 0 });
    cache.put('k', answer({ answers: Array.from({ length: 200 }, () => a(60)) }));
    assert.equal(cache.size, 0);
  });
});
