import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import type { ChildSpec } from '#host/process.ts';
import { Watchdog } from '#host/watchdog.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { performHook, performProbe } from './perform-probe.ts';

const container = (t: TestContext) => {
  const watchdog = new Watchdog();
  t.after(() => watchdog.close());
  return {
    address: '127.0.0.1',
    commands: { env: { PATH: process.env.PATH ?? '' }, workingDirectory: '/', watchdog, inPlace },
  };
};
const inPlace = (spec: ChildSpec): ChildSpec => spec;
const limit = (timeoutMs = 10_000) => ({ timeoutMs, signal: new AbortController().signal });
const http = { kind: 'httpGet', scheme: 'HTTP', headers: [], path: '/' } as const;

/** A command that starts another and waits for it. */
function lasting() {
  const word = `3600.${randomInt(1e9)}`;
  const running = (): boolean =>
    execFileSync('ps', ['-A', '-o', 'args='], { encoding: 'utf8' }).includes(word);
  return {
    command: ['sh', '-c', `sleep ${word} & wait`],
    begins: () => eventually(() => assert.ok(running())),
    isGone: () => eventually(() => assert.ok(!running())),
  };
}

describe('performProbe', () => {
  test('what cannot even be tried is an outcome', async (t) => {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url!);
      response.end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    const where = container(t);
    assert.equal(await performProbe({ ...http, port }, where, limit()), '');
    for (const path of ['/a b', 'ü?🚀=\u0000'])
      assert.equal(await performProbe({ ...http, port, path }, where, limit()), '');
    assert.deepEqual(asked.slice(1), ['/a%20b', '/%C3%BC?%F0%9F%9A%80=%00']);
    assert.match(await performProbe({ ...http, port, path: '\ud800' }, where, limit()), /URI/);
    const headers = [{ name: 'a b', value: 'c' }];
    assert.match(await performProbe({ ...http, port, headers }, where, limit()), /header/i);
    for (const command of [[''], ['a\u0000b'], ['true', 'a\u0000b'], ['/nothing/there']])
      assert.notEqual(await performProbe({ kind: 'exec', command }, where, limit()), '', `${command}`);
    assert.notEqual(await performProbe({ kind: 'tcpSocket', host: '', port: 70_000 }, where, limit()), '');
  });

  test('a command that takes too long is ended with all it has started', async (t) => {
    const where = container(t);
    const { command, begins, isGone } = lasting();
    const outcome = performProbe({ kind: 'exec', command }, where, limit(500));
    await begins();
    assert.equal(await outcome, 'no answer within 0.5 s');
    await isGone();
  });

  test('what is given up ends', async (t) => {
    const where = container(t);
    const giving = new AbortController();
    const given = { timeoutMs: 60_000, signal: giving.signal };
    const { command, begins, isGone } = lasting();
    const all = [
      performHook({ kind: 'sleep', ms: 60_000 }, where, given),
      performHook({ kind: 'exec', command }, where, given),
    ];
    await begins();
    giving.abort();
    assert.deepEqual(await Promise.all(all), ['given up', 'given up']);
    await isGone();
    assert.equal(await performProbe({ ...http, port: 1 }, where, given), 'given up');
  });
});
