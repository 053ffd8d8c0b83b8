/** Connections that are one too many: for a filter, for a listener, for the process, for the system. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, type TestContext, test } from 'node:test';
import { OwnCount } from '#proxy/cluster/limited-count.ts';
import { calm } from '#proxy/overload/state.ts';
import { entryOf } from '#proxy/runtime/entry.ts';
import { RuntimeSnapshot } from '#proxy/runtime/snapshot.ts';
import { bootstrap, cluster, type RunningDataPath, startDataPath } from '../support/data-path.ts';
import { eventually } from '../support/eventually.ts';
import {
  accessLog,
  answering,
  bodyOf,
  chain,
  connectionLimit,
  get,
  listener,
  rawConnect,
  tcpProxy,
} from '../support/listener.ts';
import { startProxyChild } from '../support/proxy-child.ts';
import { type RawClient, rawServer } from '../support/raw-tcp.ts';
import { startThreads } from '../support/threads.ts';

const own = (name: string): string => `listener.127.0.0.1_0.${name}`;

const run = (
  t: TestContext,
  process: number,
  ofListener: Readonly<Record<string, number>>,
  ...listeners: string[]
): Promise<RunningDataPath> =>
  startDataPath(t, bootstrap(listeners, []), undefined, undefined, {
    connectionLimits: { process: new OwnCount(process) },
    runtime: new RuntimeSnapshot(
      new Map(
        Object.entries(ofListener).map(([name, limit]) => [
          `envoy.resource_limits.listener.${name}.connection_limit`,
          entryOf(limit),
        ]),
      ),
    ),
  });

/** A connection that is served: it has had an answer. */
async function served(t: TestContext, port: number): Promise<RawClient> {
  const client = rawConnect(t, { port });
  client.socket.write(get);
  await client.until((text) => text.includes('\r\n\r\n'));
  return client;
}

async function refused(t: TestContext, port: number): Promise<void> {
  const client = rawConnect(t, { port });
  client.socket.on('error', () => {});
  assert.equal(await client.ended(), '');
}

/** Two are served, the third is refused, and one that ends makes room. */
async function twoAtMost(t: TestContext, port: number): Promise<void> {
  const [first] = await Promise.all([served(t, port), served(t, port)]);
  await refused(t, port);
  first.socket.destroy();
  await eventually(() => bodyOf(rawConnect(t, { port })).then((body) => assert.equal(body, 'main')));
}

describe('limits on connections', () => {
  test('of the process, over all listeners', async (t) => {
    const path = await run(
      t,
      2,
      {},
      listener('one', [chain('main')], { stat_prefix: 'one', access_log: accessLog('closed') }),
      listener('two', [chain('main')], { stat_prefix: 'two' }),
    );
    const there = await served(t, path.port('two'));
    await served(t, path.port('one'));
    await refused(t, path.port('one'));
    await refused(t, path.port('two'));
    for (const name of ['one', 'two']) {
      assert.equal(path.stat(`listener.${name}.downstream_global_cx_overflow`), 1);
      assert.equal(path.stat(`listener.${name}.downstream_cx_total`), 1);
    }
    assert.deepEqual(path.lines, [], 'of connections that were never looked at no line is written');
    there.socket.destroy();
    await eventually(() => served(t, path.port('one')));
  });

  test('a listener may ignore that of the process', async (t) => {
    const path = await run(t, 1, {}, listener('web', [chain('main')], { ignore_global_conn_limit: true }));
    await Promise.all([1, 2, 3].map(() => served(t, path.port('web'))));
    assert.equal(path.stat(own('downstream_global_cx_overflow')), 0);
  });

  test('of one listener', async (t) => {
    const path = await run(t, 100, { web: 2 }, listener('web', [chain('main')]));
    await twoAtMost(t, path.port('web'));
    assert.ok(path.stat(own('downstream_cx_overflow')) >= 1);
    assert.equal(path.stat(own('downstream_global_cx_overflow')), 0);
  });

  test('connections that listener filters look at count too', async (t) => {
    const path = await run(t, 1, {}, listener('web', [chain('main')], { listener_filters: [] }));
    const silent = rawConnect(t, { port: path.port('web') });
    await once(silent.socket, 'connect');
    await eventually(() => assert.equal(path.stat(own('downstream_cx_active')), 1));
    await refused(t, path.port('web'));
  });

  test('under pressure none is taken, but by a listener that says so', async (t) => {
    const path = await startDataPath(
      t,
      bootstrap(
        [
          listener('web', [chain('main')]),
          listener('still', [chain('main')], { stat_prefix: 'still', bypass_overload_manager: true }),
        ],
        [],
      ),
      undefined,
      undefined,
      { overload: { ...calm, rejectsConnections: 1 } },
    );
    await refused(t, path.port('web'));
    assert.equal(path.stat(own('downstream_cx_overload_reject')), 1);
    await served(t, path.port('still'));
  });

  test('over two threads together', async (t) => {
    const path = await startThreads(t, bootstrap([listener('web', [chain('main')])], []), 2, 2);
    await twoAtMost(t, await path.port('web'));
  });
});

describe('connection_limit', () => {
  const limited = (fields: object, filter = answering('main')): string =>
    listener('web', [
      chain('main', undefined, { filters: [connectionLimit({ max_connections: 2, ...fields }), filter] }),
    ]);

  test('closes what is too many in its chain', async (t) => {
    const path = await run(t, 100, {}, limited({}));
    await twoAtMost(t, path.port('web'));
    assert.ok(path.stat('connection_limit.limit.limited_connections') >= 1);
    await eventually(() => assert.equal(path.stat('connection_limit.limit.active_connections'), 1));
    // They are connections of the listener all the same (Envoy).
    assert.ok(path.stat(own('downstream_cx_total')) >= 4);
  });

  test('stands before tcp_proxy as well', async (t) => {
    const server = await rawServer(t, (socket) => socket.write('hello'));
    const path = await startDataPath(
      t,
      bootstrap([limited({ max_connections: 1 }, tcpProxy('app'))], [cluster('app', [server.port])]),
    );
    await rawConnect(t, { port: path.port('web') }).until((text) => text === 'hello');
    await refused(t, path.port('web'));
    assert.equal(server.sockets.length, 1);
  });

  test('with a delay it holds the connection before it is closed, and answers nothing', async (t) => {
    const path = await run(t, 100, {}, limited({ max_connections: 1, delay: '0.3s' }));
    await served(t, path.port('web'));
    const startMs = performance.now();
    const client = rawConnect(t, { port: path.port('web') });
    client.socket.on('error', () => {});
    client.socket.write(get);
    assert.equal(await client.ended(), '');
    assert.ok(performance.now() - startMs > 280);
    assert.equal(path.stat('connection_limit.limit.limited_connections'), 1);
  });

  test('switched off, it lets everything pass', async (t) => {
    const path = await run(
      t,
      100,
      {},
      limited({ max_connections: 1, runtime_enabled: { default_value: false } }),
    );
    await Promise.all([1, 2, 3].map(() => served(t, path.port('web'))));
  });

  const wrong: [fields: object, problem: string][] = [
    [{ max_connections: 0 }, 'max_connections'],
    [{ stat_prefix: '' }, 'stat_prefix'],
    [{ delay: '-1s' }, 'delay'],
  ];
  for (const [fields, problem] of wrong) {
    test(`is refused: ${JSON.stringify(fields)}`, async (t) => {
      await assert.rejects(run(t, 1, {}, limited(fields)), (error: Error) =>
        error.message.includes(`filter_chains[0].filters[0].typed_config.${problem}: `),
      );
    });
  }
});

describe('out of files', () => {
  const address = { socket_address: { address: '127.0.0.1', port_value: 0 } };
  const admin = `admin: { address: ${JSON.stringify(address)} }\n`;
  const web = bootstrap([listener('web', [chain('main')])], []);

  /** Opens `count` connections, and tells how many are still open when all is quiet. */
  async function flood(t: TestContext, port: number, count: number): Promise<RawClient[]> {
    const clients = Array.from({ length: count }, () => rawConnect(t, { port }));
    const closed = new Set<RawClient>();
    for (const client of clients) {
      client.socket.on('error', () => {});
      client.socket.on('close', () => closed.add(client));
      client.socket.on('end', () => closed.add(client));
    }
    await Promise.all(clients.map(({ socket }) => once(socket, 'connect').catch(() => {})));
    let before = -1;
    await eventually(
      () => {
        const stands = closed.size === before && closed.size > 0;
        before = closed.size;
        assert.ok(stands);
      },
      { everyMs: 200 },
    );
    return clients.filter((client) => !closed.has(client));
  }

  test('half of the files that are left is the limit where none is set; the rest is closed at once and counted', async (t) => {
    const files = 120;
    const proxy = startProxyChild(t, admin + web, { openFiles: files });
    const port = await proxy.port('web');
    const open = await flood(t, port, 100);
    assert.equal(open.length, Math.floor(((files * 7) / 8 - 64) / 2));
    const stats = await (await proxy.admin('/stats')).text();
    assert.match(stats, new RegExp(`downstream_global_cx_overflow: ${100 - open.length}\n`));
  });

  test('with a limit above what the system allows it goes on as soon as files are free', async (t) => {
    const config = {
      '@type':
        'type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig',
      max_active_downstream_connections: 100_000,
    };
    const manager = {
      resource_monitors: [
        { name: 'envoy.resource_monitors.global_downstream_max_connections', typed_config: config },
      ],
    };
    const text = `${admin}overload_manager: ${JSON.stringify(manager)}\n${web}`;
    const proxy = startProxyChild(t, text, { openFiles: 100 });
    const port = await proxy.port('web');
    const open = await flood(t, port, 200);
    assert.ok(open.length > 20 && open.length < 100, String(open.length));
    for (const { socket } of open) socket.destroy();
    await eventually(() => served(t, port));
    assert.equal(proxy.child.exitCode, null);
  });
});
