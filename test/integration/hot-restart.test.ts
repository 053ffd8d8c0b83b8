/** A proxy whose place another process takes, while clients connect all the time. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { type AddressInfo, connect, type NetConnectOpts } from 'node:net';
import { join, resolve } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { anyFreePort } from '#host/free-port.ts';
import { identifyProcess } from '#host/process-identity.ts';
import { TestRoot } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { tempDir } from '../support/temp-dir.ts';

const heddle = resolve(import.meta.dirname, '../../bin/heddle');
const skip = process.platform !== 'linux' && 'sockets are handed over on Linux only';
const HTTP =
  'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ROUTER = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router';

interface Rig {
  readonly port: number;
  readonly path: string;
  readonly folder: string;
  /** What was started first. */
  readonly first: ChildProcess;
  output(): string;
  /** Of the process that serves. */
  pid(): number;
  admin(page: string, method?: 'GET' | 'POST'): Promise<{ status: number; text: string }>;
  /** Writes the file anew. @param more of the bootstrap */
  write(more?: string): void;
}

const bootstrap = (port: number, admin: number, path: string, app: number, more: string): string => {
  const chain = (name: string): string =>
    `filter_chains: [{ filters: [{ name: http, typed_config: { '@type': ${HTTP}, stat_prefix: ${name}, route_config: { virtual_hosts: [{ name: all, domains: ['*'], routes: [{ match: { prefix: / }, route: { cluster: app, timeout: 0s } }] }] }, http_filters: [{ name: router, typed_config: { '@type': ${ROUTER} } }] } }] }]`;
  return `
admin: { address: { socket_address: { address: 127.0.0.1, port_value: ${admin} } } }
static_resources:
  listeners:
  - { name: web, address: { socket_address: { address: 127.0.0.1, port_value: ${port} } }, ${chain('web')} }
  - { name: any, address: { socket_address: { address: 127.0.0.1, port_value: 0 } }, ${chain('any')} }
  - { name: local, address: { pipe: { path: ${path} } }, ${chain('local')} }
  clusters:
  - { name: app, type: STATIC, load_assignment: { cluster_name: app, endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${app} } } } }] }] } }
${more}`;
};

async function start(t: TestContext, app: number, flags: readonly string[] = []): Promise<Rig> {
  const folder = tempDir(t);
  const [port, admin] = [await anyFreePort('127.0.0.1'), await anyFreePort('127.0.0.1')];
  const path = join(folder, 'web.sock');
  const file = join(folder, 'bootstrap.yaml');
  const pidFile = join(folder, 'pid');
  const write = (more = ''): void => writeFileSync(file, bootstrap(port, admin, path, app, more));
  write();
  const words = ['proxy', '-c', file, '--pid-file', pidFile, '--drain-time-s', '20', ...flags];
  // A group of its own, in which all that take its place are too.
  const first = spawn(heddle, words, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let output = '';
  for (const stream of [first.stdout, first.stderr]) stream.on('data', (text) => (output += String(text)));
  const closed = once(first, 'close');
  t.after(async () => {
    try {
      process.kill(-first.pid!, 'SIGKILL');
    } catch {
      // All of them have ended.
    }
    await closed;
  });
  await eventually(() => readFileSync(pidFile, 'utf8'), { timeoutMs: 20_000 });
  return {
    port,
    path,
    folder,
    first,
    output: () => output,
    pid: () => Number(readFileSync(pidFile, 'utf8')),
    async admin(page, method = 'GET') {
      const answer = await fetch(`http://127.0.0.1:${admin}${page}`, { method });
      return { status: answer.status, text: await answer.text() };
    },
    write,
  };
}

/** An application; what asks for `/slow` is answered in two parts, the second when `finish` is called. */
async function application(t: TestContext): Promise<{ readonly port: number; finish(): void }> {
  const waiting: http.ServerResponse[] = [];
  const server = http.createServer((request, response) => {
    if (request.url !== '/slow') response.end('app');
    else {
      response.write('first ');
      waiting.push(response);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return {
    port: (server.address() as AddressInfo).port,
    finish: () => {
      for (const response of waiting) response.end('second');
    },
  };
}

/** One request on a connection of its own. @returns its status line, or what went wrong */
function ask(where: NetConnectOpts): Promise<string> {
  return new Promise((done) => {
    let text = '';
    const socket = connect(where, () =>
      socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n'),
    );
    socket.setEncoding('utf8').on('data', (more) => (text += more));
    socket.on('error', (error) => done(error.message));
    socket.on('close', () => done(text.split('\r\n', 1)[0] ?? ''));
  });
}

/** The same over TLS. @param session to go on with */
function askByTls(
  port: number,
  session?: Buffer,
): Promise<{ line: string; reused: boolean; session: Buffer | undefined }> {
  return new Promise((done, failed) => {
    let text = '';
    let given: Buffer | undefined;
    let reused = false;
    const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false, session });
    socket.on('secureConnect', () => (reused = socket.isSessionReused()));
    socket.on('session', (one) => (given = one));
    socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
    socket.setEncoding('utf8').on('data', (more) => (text += more));
    socket.on('error', failed);
    socket.on('close', () => done({ line: text.split('\r\n', 1)[0] ?? '', reused, session: given }));
  });
}

/** New connections all the time, until told. @returns what came of them, and how many there were */
function connecting(where: readonly NetConnectOpts[], perSecond: number): () => Promise<Map<string, number>> {
  const seen: Promise<string>[] = [];
  let running = true;
  const loop = (async (): Promise<void> => {
    const startedMs = performance.now();
    while (running) {
      const due = ((performance.now() - startedMs) / 1000) * perSecond;
      while (seen.length < due) seen.push(ask(where[seen.length % where.length]!));
      await wait(5);
    }
  })();
  return async () => {
    running = false;
    await loop;
    const counts = new Map<string, number>();
    for (const one of await Promise.all(seen)) counts.set(one, (counts.get(one) ?? 0) + 1);
    return counts;
  };
}

describe('a hot restart', { skip }, () => {
  for (const flags of [[], ['--concurrency', '2']]) {
    test(`refuses nobody at 500 new connections a second${flags.length > 0 ? ', on two threads' : ''}`, async (t) => {
      const app = await application(t);
      const rig = await start(t, app.port, flags);
      const stop = connecting([{ host: '127.0.0.1', port: rig.port }, { path: rig.path }], 500);
      const addresses = (await rig.admin('/listeners')).text;
      for (let round = 0; round < 2; round++) {
        const before = rig.pid();
        process.kill(before, 'SIGUSR2');
        await eventually(() => assert.notEqual(rig.pid(), before), { timeoutMs: 20_000 });
        await eventually(() => assert.equal(identifyProcess(before), undefined), { timeoutMs: 20_000 });
        assert.equal((await rig.admin('/ready')).text, 'LIVE\n');
        assert.equal((await rig.admin('/listeners')).text, addresses);
      }
      const seen = await stop();
      assert.deepEqual([...seen.keys()], ['HTTP/1.1 200 OK'], rig.output());
      assert.ok(seen.get('HTTP/1.1 200 OK')! > 100);
      assert.equal(rig.first.exitCode, 0);
    });
  }

  test('lets what is under way go on in the process that took it, and asked by the admin interface says who serves', async (t) => {
    const app = await application(t);
    const rig = await start(t, app.port);
    const slow = fetch(`http://127.0.0.1:${rig.port}/slow`);
    const answer = await slow;
    const before = rig.pid();
    const { status, text } = await rig.admin('/hot_restart', 'POST');
    assert.equal(status, 200);
    assert.equal(text, `process ${rig.pid()} serves\n`);
    assert.notEqual(rig.pid(), before);
    assert.equal(await ask({ host: '127.0.0.1', port: rig.port }), 'HTTP/1.1 200 OK');
    assert.notEqual(identifyProcess(before), undefined);
    app.finish();
    assert.equal(await answer.text(), 'first second');
    await eventually(() => assert.equal(rig.first.exitCode, 0));
    // A signal ends the one that serves, and its number goes with it.
    process.kill(rig.pid(), 'SIGTERM');
    await eventually(() => assert.throws(() => rig.pid()));
  });

  test('that fails changes nothing, and says why', async (t) => {
    const app = await application(t);
    const rig = await start(t, app.port);
    const before = rig.pid();
    rig.write('nonsense: true\n');
    const stop = connecting([{ host: '127.0.0.1', port: rig.port }, { path: rig.path }], 100);
    const { status, text } = await rig.admin('/hot_restart', 'POST');
    assert.equal(status, 503);
    assert.match(text, /no other process serves: it ended with exit code 65/);
    assert.match(rig.output(), /nonsense/);
    assert.match(rig.output(), /hot-restart\.failed/);
    assert.equal(rig.pid(), before);
    // Once it is put right it goes.
    rig.write();
    assert.equal((await rig.admin('/hot_restart', 'POST')).status, 200);
    assert.notEqual(rig.pid(), before);
    assert.deepEqual([...(await stop()).keys()], ['HTTP/1.1 200 OK'], rig.output());
  });

  test('lets clients go on with their TLS sessions', async (t) => {
    const app = await application(t);
    const rig = await start(t, app.port);
    const port = await anyFreePort('127.0.0.1');
    const { cert, key } = await (await TestRoot.create('root')).issue();
    const file = join(rig.folder, 'bootstrap.yaml');
    const socket = JSON.stringify({
      name: 'tls',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
        common_tls_context: {
          tls_certificates: [
            { certificate_chain: { inline_string: cert }, private_key: { inline_string: key } },
          ],
        },
      },
    });
    const [web = ''] = /^ {2}- \{ name: web,.*\n/m.exec(readFileSync(file, 'utf8')) ?? [];
    const tls = web
      .replace('name: web', 'name: tls')
      .replace(`port_value: ${rig.port}`, `port_value: ${port}`)
      .replace('filter_chains: [{', `filter_chains: [{ transport_socket: ${socket},`);
    writeFileSync(file, readFileSync(file, 'utf8').replace(web, web + tls));
    assert.equal((await rig.admin('/hot_restart', 'POST')).status, 200);
    const first = await askByTls(port);
    assert.equal(first.reused, false);
    assert.equal((await askByTls(port, first.session)).reused, true);
    await eventually(() => assert.equal(rig.first.exitCode, 0));
    assert.equal((await rig.admin('/hot_restart', 'POST')).status, 200);
    const second = await askByTls(port, first.session);
    assert.deepEqual([second.line, second.reused], ['HTTP/1.1 200 OK', true]);
  });

  test('is refused where it is turned off', async (t) => {
    const app = await application(t);
    const rig = await start(t, app.port, ['--disable-hot-restart']);
    const { status, text } = await rig.admin('/hot_restart', 'POST');
    assert.equal(status, 503);
    assert.match(text, /turned off/);
  });

  test('closes what is not in the configuration any more', async (t) => {
    const app = await application(t);
    const rig = await start(t, app.port);
    const file = join(rig.folder, 'bootstrap.yaml');
    writeFileSync(file, readFileSync(file, 'utf8').replace(/^ {2}- \{ name: web,.*\n/m, ''));
    assert.equal((await rig.admin('/hot_restart', 'POST')).status, 200);
    await eventually(() => assert.equal(rig.first.exitCode, 0));
    assert.match(await ask({ host: '127.0.0.1', port: rig.port }), /ECONNREFUSED/);
    assert.equal(await ask({ path: rig.path }), 'HTTP/1.1 200 OK');
  });
});
