/** Where listeners listen: IPv4, IPv6, both, several addresses, Unix sockets; and what their logs say. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { bootstrap, cluster, type RunningDataPath, startDataPath } from '../support/data-path.ts';
import { eventually } from '../support/eventually.ts';
import {
  accessLog,
  answering,
  bodyOf,
  chain,
  get,
  httpInspector,
  ipAddress,
  listener,
  rawConnect,
  tcpProxy,
} from '../support/listener.ts';
import { rawServer } from '../support/raw-tcp.ts';
import { tempDir } from '../support/temp-dir.ts';

const log = accessLog('%DOWNSTREAM_REMOTE_ADDRESS% to %DOWNSTREAM_LOCAL_ADDRESS%');
const logged = [chain('main', undefined, { filters: [answering('main', { access_log: log })] })];

const run = (t: TestContext, ...listeners: string[]): Promise<RunningDataPath> =>
  startDataPath(t, bootstrap(listeners, []));

describe('addresses', () => {
  test('IPv6', async (t) => {
    const path = await run(t, listener('six', logged, { address: ipAddress('0:0:0:0:0:0:0:1') }));
    const port = path.port('six');
    assert.deepEqual(path.dataPath.listeners()[0]?.addresses, [`[::1]:${port}`]);
    assert.equal(await bodyOf(rawConnect(t, { host: '::1', port })), 'main');
    await eventually(() => assert.match(path.lines[0] ?? '', /^\[::1\]:\d+ to \[::1\]:\d+\n$/));
    assert.equal(path.stat('listener.[__1]_0.downstream_cx_total'), 1);
  });

  test('all of IPv6 is not IPv4, unless ipv4_compat says so', async (t) => {
    const path = await run(
      t,
      listener('six', logged, { address: ipAddress('::') }),
      listener('both', logged, { address: ipAddress('::', 0, { ipv4_compat: true }) }),
    );
    const [error] = (await once(rawConnect(t, { port: path.port('six') }).socket, 'error')) as [
      NodeJS.ErrnoException,
    ];
    assert.equal(error.code, 'ECONNREFUSED');
    assert.equal(await bodyOf(rawConnect(t, { port: path.port('both') })), 'main');
    // An IPv4 client is one, whatever the socket is.
    await eventually(() => assert.match(path.lines[0] ?? '', /^127\.0\.0\.1:\d+ to 127\.0\.0\.1:\d+\n$/));
    assert.equal(await bodyOf(rawConnect(t, { host: '::1', port: path.port('both') })), 'main');
  });

  test('several addresses of one listener', async (t) => {
    const file = join(tempDir(t), 'web.sock');
    const path = await run(
      t,
      listener('web', logged, {
        additional_addresses: [
          { address: ipAddress('::1') },
          { address: ipAddress('127.0.0.2') },
          { address: { pipe: { path: file } } },
        ],
      }),
    );
    const { addresses } = path.dataPath.listeners()[0]!;
    assert.equal(addresses.length, 4);
    for (const [host, address] of [
      ['127.0.0.1', addresses[0]],
      ['::1', addresses[1]],
      ['127.0.0.2', addresses[2]],
    ] as const) {
      const port = Number(address?.split(':').at(-1));
      assert.equal(await bodyOf(rawConnect(t, { host, port })), 'main', String(address));
    }
    assert.equal(await bodyOf(rawConnect(t, { path: file })), 'main');
    // All count under the first one.
    assert.equal(path.stat('listener.127.0.0.1_0.downstream_cx_total'), 4);
  });

  test('a Unix socket, with its mode, in the place of what was left there', async (t) => {
    const file = join(tempDir(t), 'web.sock');
    writeFileSync(file, 'left behind');
    const path = await run(
      t,
      listener('web', logged, {
        address: { pipe: { path: file, mode: 0o640 } },
        listener_filters: [httpInspector()],
      }),
    );
    assert.equal(statSync(file).mode & 0o777, 0o640);
    assert.equal(await bodyOf(rawConnect(t, { path: file })), 'main');
    await eventually(() => assert.deepEqual(path.lines, [`- to ${file}\n`]));
    chmodSync(file, 0o600);
    await path.dataPath.close();
    assert.throws(() => statSync(file), { code: 'ENOENT' });
  });

  test('a name in the abstract namespace', {
    skip: process.platform !== 'linux' && 'Linux has those',
  }, async (t) => {
    const name = `heddle-test-${process.pid}`;
    const path = await run(t, listener('web', logged, { address: { pipe: { path: `@${name}` } } }));
    assert.deepEqual(path.dataPath.listeners()[0]?.addresses, [`@${name}`]);
    assert.equal(await bodyOf(rawConnect(t, { path: `\0${name}` })), 'main');
    await eventually(() => assert.deepEqual(path.lines, [`- to @${name}\n`]));
  });

  test('an address of another listener is not taken twice', async (t) => {
    const path = await run(t, listener('one', logged, { enable_reuse_port: true }));
    const address = ipAddress('127.0.0.1', path.port('one'));
    await assert.rejects(path.add(bootstrap([listener('two', logged, { address })], [])), {
      code: 'EADDRINUSE',
    });
    const fixed = ipAddress('127.0.0.1', await freePort());
    await path.add(bootstrap([listener('two', logged, { address: fixed, enable_reuse_port: true })], []));
    await assert.rejects(
      path.add(bootstrap([listener('three', logged, { address: fixed, enable_reuse_port: true })], [])),
      /has duplicate address '.*' as existing listener 'two'/,
    );
  });

  test('enable_reuse_port lets another process bind the same port', async (t) => {
    const path = await run(t, listener('web', logged, { enable_reuse_port: true }), listener('own', logged));
    const other = createServer();
    t.after(() => other.close());
    other.listen({ host: '127.0.0.1', port: path.port('web'), reusePort: true });
    await once(other, 'listening');
    const third = createServer().listen({ host: '127.0.0.1', port: path.port('own'), reusePort: true });
    assert.equal(((await once(third, 'error')) as [NodeJS.ErrnoException])[0].code, 'EADDRINUSE');
  });

  const noTable = !existsSync('/proc/net/tcp') && 'needs /proc/net/tcp';
  test('tcp_keepalive is set on each connection', { skip: noTable }, async (t) => {
    const keepalive = { keepalive_time: 30, keepalive_interval: 10, keepalive_probes: 3 };
    const path = await run(t, listener('web', logged, { tcp_keepalive: keepalive }), listener('own', logged));
    /** Seconds until the first probe, as the kernel has it for our side; undefined: there is none. */
    const probeAfter = async (name: string): Promise<number | undefined> => {
      const client = rawConnect(t, { port: path.port(name) });
      client.socket.write(get);
      await client.until((text) => text.endsWith('main'));
      const port = (number: number): string => number.toString(16).toUpperCase().padStart(4, '0');
      const ends = `:${port(path.port(name))} 0100007F:${port(client.socket.localPort!)} `;
      const row = readFileSync('/proc/net/tcp', 'latin1')
        .split('\n')
        .find((line) => line.includes(ends));
      // proc(5): `tr` 02 is a timer of keepalive, `tm->when` its end in ticks of 10 ms.
      const timer = / 02:([0-9A-F]{8}) /.exec(row ?? '');
      return timer === null ? undefined : Number.parseInt(timer[1]!, 16) / 100;
    };
    const seconds = (await probeAfter('web')) ?? Number.NaN;
    assert.ok(seconds > 20 && seconds <= 31, String(seconds));
    assert.equal(await probeAfter('own'), undefined);
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe('access_log of a listener', () => {
  const fields = '%FILTER_CHAIN_NAME% %BYTES_RECEIVED% %BYTES_SENT% %RESPONSE_FLAGS% %UPSTREAM_CLUSTER%';

  test('has a line for each connection, when it is closed', async (t) => {
    const server = await rawServer(t, (socket) => socket.end('pong'));
    const path = await startDataPath(
      t,
      bootstrap(
        [
          listener('http', [chain('web')], { access_log: accessLog(fields) }),
          listener('tcp', [chain('plain', undefined, { filters: [tcpProxy('app')] })], {
            access_log: accessLog(fields),
          }),
          listener('dead', [chain('lost', undefined, { filters: [tcpProxy('gone')] })], {
            access_log: accessLog(fields),
          }),
          listener('none', [chain('other', { destination_port: 1 })], { access_log: accessLog(fields) }),
          listener('empty', [chain('empty', undefined, { filters: [] })], { access_log: accessLog(fields) }),
        ],
        [cluster('app', [server.port]), cluster('gone', [1])],
      ),
    );
    const web = rawConnect(t, { port: path.port('http') });
    web.socket.write(get + get);
    await web.until((text) => /web[\s\S]*web$/.test(text));
    assert.deepEqual(path.lines, []);
    web.socket.end();
    await eventually(() => assert.match(path.lines[0] ?? '', /^web 54 \d\d\d - -\n$/));
    const tcp = rawConnect(t, { port: path.port('tcp') });
    tcp.socket.end('ping');
    assert.equal(await tcp.ended(), 'pong');
    await eventually(() => assert.equal(path.lines[1], 'plain 4 4 - app\n'));
    for (const [name, line] of [
      ['dead', 'lost 0 0 UF,URX gone\n'],
      ['none', '- 0 0 NR -\n'],
      ['empty', 'empty 0 0 - -\n'],
    ] as const) {
      const before = path.lines.length;
      const client = rawConnect(t, { port: path.port(name) });
      client.socket.on('error', () => {});
      assert.equal(await client.ended(), '');
      await eventually(() => assert.equal(path.lines[before], line));
    }
  });
});

describe('per_connection_buffer_limit_bytes', () => {
  test('so much waits for a client that does not read, and no more', async (t) => {
    const size = 16 * 1024 * 1024;
    const server = await rawServer(t, (socket) => {
      socket.end(Buffer.alloc(size));
      socket.resume();
    });
    const taken = async (limit: number): Promise<number> => {
      const path = await startDataPath(
        t,
        bootstrap(
          [
            listener('tcp', [chain('plain', undefined, { filters: [tcpProxy('app')] })], {
              per_connection_buffer_limit_bytes: limit,
            }),
          ],
          [cluster('app', [server.port])],
        ),
      );
      const client = rawConnect(t, { port: path.port('tcp') });
      client.socket.removeAllListeners('data');
      client.socket.pause();
      let before = -1;
      return eventually(
        () => {
          const now = path.stat('cluster.app.upstream_cx_rx_bytes_total');
          const stands = now > 0 && now === before;
          before = now;
          assert.ok(stands);
          return now;
        },
        { everyMs: 200 },
      );
    };
    // What the kernel holds is the same for both.
    const [small, large] = [await taken(16 * 1024), await taken(4 * 1024 * 1024)];
    assert.ok(large - small > 2 * 1024 * 1024, `${small} and ${large} taken while nobody reads`);
  });
});
