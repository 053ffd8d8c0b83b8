import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inTurn } from './happy-eyeballs.ts';

describe('the order of addresses', () => {
  const cases: [why: string, hosts: string, family: 4 | 6 | undefined, count: number, turns: string][] = [
    ['one', 'a', undefined, 1, 'a'],
    ['versions of IP take turns', 'a b ::1 ::2', undefined, 1, 'a ::1 b ::2'],
    ['the first one begins', '::1 a b', undefined, 1, '::1 a b'],
    ['what is left of one version', 'a b c ::1', undefined, 1, 'a ::1 b c'],
    ['several of the first', 'a b c ::1 ::2', undefined, 2, 'a b ::1 c ::2'],
    ['IPv6 wanted', 'a b ::1', 6, 1, '::1 a b'],
    ['IPv4 wanted', '::1 ::2 a', 4, 2, 'a ::1 ::2'],
    ['wanted and not there', 'a b', 6, 1, 'a b'],
  ];
  for (const [why, hosts, family, count, turns] of cases) {
    test(why, () => {
      const addresses = hosts.split(' ').map((host) => ({ kind: 'tcp' as const, host, port: 1 }));
      const found = inTurn(addresses, { family, count }).map(({ host }) => host);
      assert.equal(found.join(' '), turns);
    });
  }
});
