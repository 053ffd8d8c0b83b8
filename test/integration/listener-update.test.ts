/** A listener that changes: which connections go on, which are asked to end, and what happens to its sockets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, type TestContext, test } from 'node:test';
import { bootstrap, cluster, type RunningDataPath, startDataPath } from '../support/data-path.ts';
import { eventually } from '../support/eventually.ts';
import {
  answering,
  bodyOf,
  chain,
  get,
  getOnce,
  listener,
  proxyLine,
  proxyProtocol,
  rawConnect,
  tcpProxy,
} from '../support/listener.ts';
import { type RawClient, rawServer } from '../support/raw-tcp.ts';
import { startThreads } from '../support/threads.ts';

/** Two chains by destination port, each answering with its text. */
const both = (a: string, b: string, more: object = {}): string =>
  listener(
    'web',
    [
      chain('a', { destination_port: 80 }, { filters: [answering(a)] }),
      chain('b', { destination_port: 81 }, { filters: [answering(b)] }),
    ],
    { listener_filters: [proxyProtocol()], ...more },
  );

const run = (t: TestContext, item: string, drainTimeMs = 60_000): Promise<RunningDataPath> =>
  startDataPath(t, bootstrap([item], []), undefined, undefined, { drainTimeMs });

/** Asks on a connection that stays open, and gives the answer's text. */
async function ask(client: RawClient): Promise<string> {
  const before = client.text().length;
  client.socket.write(get);
  return (await client.until((text) => /\r\n\r\n..$/.test(text.slice(before)))).slice(before);
}

function open(t: TestContext, port: number, destinationPort: number): RawClient {
  const client = rawConnect(t, { port });
  client.socket.write(proxyLine('1.2.3.4', '5.6.7.8', 1, destinationPort));
  return client;
}

const manager = (path: RunningDataPath, name: string): number => path.stat(`listener_manager.${name}`);

describe('an update of filter chains only', () => {
  test('drains the connections of the chain that changed, and leaves the others alone', async (t) => {
    const path = await run(t, both('a1', 'b1'));
    const port = path.port('web');
    const [old, idle, other] = [open(t, port, 80), open(t, port, 80), open(t, port, 81)];
    await Promise.all([old, idle, other].map(ask));
    await path.add(bootstrap([both('a2', 'b1')], []));
    assert.equal(path.port('web'), port);
    assert.equal(path.dataPath.listeners().length, 1, 'nothing drains as a whole');
    assert.equal(manager(path, 'total_filter_chains_draining'), 1);
    // What had begun goes on as it was, and is asked to end.
    const last = await ask(old);
    assert.match(last, /connection: close/);
    assert.match(last, /a1$/);
    await idle.ended();
    const untouched = await ask(other);
    assert.doesNotMatch(untouched, /connection: close/);
    assert.match(await ask(open(t, port, 80)), /a2$/);
    await eventually(() => assert.equal(manager(path, 'total_filter_chains_draining'), 0));
    assert.match(await ask(other), /b1$/);
    assert.equal(manager(path, 'listener_in_place_updated'), 1);
    assert.equal(manager(path, 'listener_modified'), 1);
    assert.equal(manager(path, 'listener_added'), 1);
  });

  test('is one on all threads', async (t) => {
    const path = await startThreads(t, bootstrap([both('a1', 'b1')], []));
    const port = await path.port('web');
    const kept = Array.from({ length: 8 }, () => open(t, port, 81));
    const changed = Array.from({ length: 8 }, () => open(t, port, 80));
    await Promise.all([...kept, ...changed].map(ask));
    await path.install(bootstrap([both('a2', 'b1')], []));
    await eventually(async () => {
      assert.match(await ask(open(t, port, 80)), /a2$/);
    });
    for (const client of changed) await client.ended();
    for (const client of kept) assert.doesNotMatch(await ask(client), /connection: close/);
    assert.equal(path.stat('listener_manager.listener_in_place_updated'), 1);
  });

  test('may add, remove and change the default chain', async (t) => {
    const path = await run(t, both('a1', 'b1'));
    const port = path.port('web');
    const kept = open(t, port, 80);
    await ask(kept);
    const chains = [chain('a', { destination_port: 80 }, { filters: [answering('a1')] })];
    const fallback = { default_filter_chain: chain('else', undefined, { filters: [answering('c1')] }) };
    await path.add(
      bootstrap([listener('web', chains, { listener_filters: [proxyProtocol()], ...fallback })], []),
    );
    assert.match(await ask(open(t, port, 81)), /c1$/);
    assert.doesNotMatch(await ask(kept), /connection: close/);
    assert.equal(manager(path, 'listener_in_place_updated'), 1);
  });

  test('connections without HTTP end when the drain is over', async (t) => {
    const server = await rawServer(t, (socket) => socket.write('hello'));
    const item = (name: string): string =>
      listener('tcp', [chain(name, undefined, { filters: [tcpProxy('app')] })]);
    const path = await startDataPath(
      t,
      bootstrap([item('one')], [cluster('app', [server.port])]),
      undefined,
      undefined,
      { drainTimeMs: 200 },
    );
    const client = rawConnect(t, { port: path.port('tcp') });
    await client.until((text) => text === 'hello');
    const startMs = performance.now();
    await path.add(bootstrap([item('two')], []));
    await client.ended();
    assert.ok(performance.now() - startMs >= 190);
  });

  test('the same again changes nothing', async (t) => {
    const path = await run(t, both('a1', 'b1'));
    const client = open(t, path.port('web'), 80);
    await ask(client);
    await path.add(bootstrap([both('a1', 'b1')], []));
    assert.equal(manager(path, 'total_filter_chains_draining'), 0);
    assert.doesNotMatch(await ask(client), /connection: close/);
  });

  test('a connection whose header comes after the update takes the new chains', async (t) => {
    const path = await run(t, both('a1', 'b1'));
    const early = rawConnect(t, { port: path.port('web') });
    await once(early.socket, 'connect');
    await eventually(() => assert.equal(path.stat('listener.127.0.0.1_0.downstream_pre_cx_active'), 1));
    await path.add(bootstrap([both('a2', 'b1')], []));
    assert.equal(await bodyOf(early, proxyLine('1.2.3.4', '5.6.7.8') + getOnce), 'a2');
  });
});

describe('any other update', () => {
  test('drains all connections; the socket stays', async (t) => {
    const path = await run(t, both('a1', 'b1'));
    const port = path.port('web');
    const client = open(t, port, 81);
    await ask(client);
    await path.add(bootstrap([both('a1', 'b1', { listener_filters_timeout: '9s' })], []));
    assert.match(await ask(client), /connection: close/);
    assert.equal(path.port('web'), port);
    assert.match(await ask(open(t, port, 81)), /b1$/);
    assert.equal(manager(path, 'listener_modified'), 1);
    assert.equal(manager(path, 'listener_in_place_updated'), 0);
  });

  test('removal: what runs may finish, nothing new is taken', async (t) => {
    const path = await run(t, both('a1', 'b1'));
    const port = path.port('web');
    const client = open(t, port, 81);
    await ask(client);
    const removed = path.dataPath.removeListener('web');
    assert.match(await ask(client), /connection: close/);
    const late = rawConnect(t, { port });
    const [error] = (await once(late.socket, 'error')) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'ECONNREFUSED');
    await removed;
    assert.equal(manager(path, 'total_listeners_active'), 0);
    assert.equal(manager(path, 'listener_removed'), 1);
  });

  test('an update that cannot be bound leaves everything as it was', async (t) => {
    const taken = await rawServer(t, () => {});
    const path = await run(t, both('a1', 'b1'));
    const client = open(t, path.port('web'), 80);
    await ask(client);
    const address = { socket_address: { address: '127.0.0.1', port_value: taken.port } };
    await assert.rejects(path.add(bootstrap([both('a2', 'b1', { address })], [])), { code: 'EADDRINUSE' });
    assert.doesNotMatch(await ask(client), /connection: close/);
    assert.equal(manager(path, 'listener_create_failure'), 1);
    assert.match(await ask(open(t, path.port('web'), 80)), /a1$/);
  });
});

describe('while health checks are made to fail', () => {
  test('responses end their connections, unless drain_type says only changes do', async (t) => {
    const path = await startDataPath(
      t,
      bootstrap(
        [
          listener('all', [chain('main')], { stat_prefix: 'all' }),
          listener('few', [chain('main')], { stat_prefix: 'few', drain_type: 'MODIFY_ONLY' }),
        ],
        [],
      ),
    );
    const answer = async (name: string): Promise<string> => {
      const client = rawConnect(t, { port: path.port(name) });
      client.socket.write(get);
      return client.until((text) => text.endsWith('main'));
    };
    path.dataPath.setUnhealthy(true);
    assert.match(await answer('all'), /connection: close/);
    assert.doesNotMatch(await answer('few'), /connection: close/);
    path.dataPath.setUnhealthy(false);
    assert.doesNotMatch(await answer('all'), /connection: close/);
  });
});
