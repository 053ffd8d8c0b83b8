import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { namesToTry, parseResolvConf } from './resolver-list.ts';

describe('resolv.conf', () => {
  const cases: [text: string, servers: string[], timeoutMs: number, attempts: number, why: string][] = [
    ['', [], 5000, 2, 'nothing: what glibc does'],
    ['nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch lan\n', ['127.0.0.53'], 5000, 2, "systemd's"],
    ['nameserver\t::1 # here\n;nameserver 9.9.9.9\n', ['::1'], 5000, 2, 'comments, a tab'],
    ['nameserver fe80::1%eth0', ['fe80::1%eth0'], 5000, 2, 'of one interface'],
    ['nameserver one.example\nnameserver\nnameservers 1.1.1.1', [], 5000, 2, 'what is none'],
    ['nameserver 10.0.0.1\n'.repeat(4), ['10.0.0.1', '10.0.0.1', '10.0.0.1'], 5000, 2, 'three at most'],
    ['options timeout:1 attempts:4', [], 1000, 4, 'options'],
    ['options timeout:1\noptions timeout:3', [], 3000, 2, 'the last option'],
    ['options timeout:99 attempts:99', [], 30_000, 5, 'no more than glibc'],
    ['options timeout:x attempts:0', [], 5000, 1, 'numbers that are none'],
  ];
  for (const [text, servers, timeoutMs, attempts, why] of cases) {
    test(`${JSON.stringify(text)} (${why})`, () => {
      const list = parseResolvConf(text);
      assert.deepEqual(
        list.servers.map(({ address }) => address),
        servers,
      );
      assert.ok(list.servers.every(({ port }) => port === 53));
      assert.deepEqual([list.timeoutMs, list.attempts], [timeoutMs, attempts]);
    });
  }
});

describe('names that are looked up', () => {
  const pods = 'search default.svc.cluster.local svc.cluster.local\noptions ndots:2';
  const cases: [text: string, host: string, names: string[]][] = [
    ['', 'db', ['db']],
    ['search lan', 'db', ['db.lan', 'db']],
    ['search lan', 'db.example', ['db.example', 'db.example.lan']],
    ['search lan', 'db.', ['db.']],
    ['search a b\nsearch c', 'db', ['db.c', 'db']],
    ['search lan\noptions ndots:0', 'db', ['db', 'db.lan']],
    [pods, 'db.other', ['db.other.default.svc.cluster.local', 'db.other.svc.cluster.local', 'db.other']],
  ];
  for (const [text, host, names] of cases) {
    test(`${host} by ${JSON.stringify(text)}`, () =>
      assert.deepEqual(namesToTry(host, parseResolvConf(text)), names));
  }
});
