/** Sockets that are bound by one process and listened on by another. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { hostPort } from '#core/ip-address.ts';
import { bindSocket, canBindSockets, closeDescriptor } from '#host/bound-socket.ts';
import { anyFreePort } from '#host/free-port.ts';
import { Child } from '#host/process.ts';
import { Watchdog } from '#host/watchdog.ts';
import { bootstrap } from '../support/data-path.ts';
import { eventually } from '../support/eventually.ts';
import { tempDir } from '../support/temp-dir.ts';

const skip = !canBindSockets() && 'libc cannot be asked on this system';
const program = new URL('../../bin/heddle', import.meta.url).pathname;
const listenerAt = (host: string, port: number): string => `
  - { name: web, address: { socket_address: { address: "${host}", port_value: ${port} } }, filter_chains: [{ filters: [{ name: http, typed_config: { '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, stat_prefix: web, route_config: { name: r, virtual_hosts: [{ name: all, domains: ['*'], routes: [{ match: { prefix: / }, direct_response: { status: 200, body: { inline_string: ours } } }] }] }, http_filters: [{ name: router, typed_config: { '@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router } }] } }] }] }`;

/** Of an answer; waits for it. */
async function bodyOf(host: string, port: number): Promise<string> {
  const response = await fetch(`http://${hostPort(host, port)}/`, { headers: { connection: 'close' } });
  return response.text();
}

/** Why nobody can connect. */
async function errorOf(host: string, port: number): Promise<string | undefined> {
  const [error] = await once(connect({ host, port }), 'error');
  return (error as NodeJS.ErrnoException).code;
}

/** Why nobody else can listen. */
async function bindErrorOf(host: string, port: number): Promise<string | undefined> {
  const [error] = await once(createServer().listen({ host, port }), 'error');
  return (error as NodeJS.ErrnoException).code;
}

for (const host of ['127.0.0.1', '::1']) {
  test(`a proxy listens on ${host} where it is given the socket`, { skip }, async (t) => {
    const port = await anyFreePort(host);
    const fd = bindSocket(host, port);
    t.after(() => closeDescriptor(fd));
    assert.equal(await errorOf(host, port), 'ECONNREFUSED');
    const config = join(tempDir(t), 'proxy.json');
    writeFileSync(config, bootstrap([listenerAt(host, port)], []));
    const watchdog = new Watchdog();
    t.after(() => watchdog.close());
    const start = (threads: number): Child =>
      new Child(
        {
          command: [program, 'proxy', '-c', config, '--concurrency', String(threads)],
          env: { PATH: process.env.PATH ?? '' },
          workingDirectory: '/',
          logPath: join(tempDir(t), 'log'),
          secret: 'none',
          sockets: [{ address: hostPort(host, port), fd }],
        },
        watchdog,
      );
    for (const threads of [1, 2]) {
      const child = start(threads);
      await eventually(async () => assert.equal(await bodyOf(host, port), 'ours'));
      await child.stop(10_000);
    }
    // Nobody listens now, and nobody else may take the address: who comes waits for the next one.
    const waiting = bodyOf(host, port);
    const next = start(1);
    assert.equal(await waiting, 'ours');
    await next.stop(10_000);
    assert.equal(await bindErrorOf(host, port), 'EADDRINUSE');
  });
}

test('an address that is taken is refused with the reason', { skip }, async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  assert.throws(() => bindSocket('127.0.0.1', port), { code: 'EADDRINUSE' });
  assert.throws(() => bindSocket('localhost', 1), TypeError);
});
