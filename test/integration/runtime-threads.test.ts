/** Values of the runtime that change while two threads serve: each of them follows, whoever the values come from. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { ads, delta, deltaOf, grpc, listenerOf, serverCluster, typeUrl } from '../interop/xds/resources.ts';
import { eventually } from '../support/eventually.ts';
import { type ManagementServer, startManagementServer } from '../support/management-server.ts';
import { type ProxyChild, startProxyChild } from '../support/proxy-child.ts';
import { type RawClient, rawClient } from '../support/raw-tcp.ts';

const THREADS = 2;
const KEY = 'web.new';

const answer = (body: string, match: JsonObject = {}): JsonObject => ({
  match: { prefix: '/', ...match },
  direct_response: { status: 200, body: { inline_string: body } },
});
const fresh = answer('new', { runtime_fraction: { runtime_key: KEY, default_value: { numerator: 0 } } });
const web = listenerOf('web', {
  route_config: {
    name: 'r',
    virtual_hosts: [{ name: 'all', domains: ['*'], routes: [fresh, answer('old')] }],
  },
});

const bootstrap = (server: number): string => {
  const { '@type': _, ...listener } = web;
  return JSON.stringify({
    node: { id: 'test', cluster: 'test' },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
    static_resources: { clusters: [serverCluster('xds', server)], listeners: [listener] },
    dynamic_resources: { ads_config: grpc('DELTA_GRPC', 'xds') },
    layered_runtime: {
      layers: [
        { name: 'given', rtds_layer: { name: 'values', rtds_config: ads } },
        { name: 'admin', admin_layer: {} },
      ],
    },
  });
};

/** Of the layer that the server gives. */
async function give(server: ManagementServer, version: number, share: number): Promise<void> {
  const stream = await eventually(() => server.stream('ads'));
  await eventually(() => assert.ok(stream.requests.some((one) => one.typeUrl === typeUrl('runtime'))));
  const layer = { '@type': typeUrl('runtime'), name: 'values', layer: { [KEY]: share } };
  stream.send(deltaOf(delta('runtime', version, [layer])));
}

const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';

async function ask({ socket, text, until }: RawClient): Promise<string> {
  const before = text().length;
  socket.write(GET);
  const all = await until((got) => /\r\n\r\n(?:old|new)$/.test(got.slice(before)));
  return all.slice(-3);
}

/** How many connections each thread has taken. */
async function taken(proxy: ProxyChild): Promise<number[]> {
  const page = await (await proxy.admin('/stats?filter=worker_.*downstream_cx_total')).text();
  return Array.from({ length: THREADS }, (_, n) =>
    Number(new RegExp(`worker_${n}\\.downstream_cx_total: (\\d+)`).exec(page)?.[1] ?? 0),
  );
}

/** A connection to each thread: as many are made as that takes. */
async function oneToEach(t: TestContext, proxy: ProxyChild): Promise<RawClient[]> {
  const port = await proxy.port('web');
  const found: RawClient[] = [];
  while (Object.keys(found).length < THREADS) {
    const before = await taken(proxy);
    const client = rawClient(t, port);
    await ask(client);
    const thread = await eventually(async () => {
      const at = (await taken(proxy)).findIndex((count, n) => count > before[n]!);
      assert.notEqual(at, -1);
      return at;
    });
    found[thread] ??= client;
    if (found[thread] !== client) client.socket.destroy();
  }
  return found;
}

/** On connections that there were before the value changed. */
const allAnswer = (clients: readonly RawClient[], wanted: string): Promise<void> =>
  eventually(async () => {
    for (const client of clients) assert.equal(await ask(client), wanted);
  });

describe('the runtime on two threads', () => {
  test('follows what is set by hand and what a server gives', async (t) => {
    const server = await startManagementServer(t);
    const proxy = startProxyChild(t, bootstrap(server.port), { flags: ['--concurrency', String(THREADS)] });
    await give(server, 1, 0);
    const clients = await oneToEach(t, proxy);
    await allAnswer(clients, 'old');
    await give(server, 2, 100);
    await allAnswer(clients, 'new');
    await proxy.admin(`/runtime_modify?${KEY}=0`, 'POST');
    await allAnswer(clients, 'old');
    // What is below stays below.
    await give(server, 3, 50);
    await eventually(async () => assert.match(await (await proxy.admin('/runtime')).text(), /"50"/));
    await allAnswer(clients, 'old');
    await proxy.admin(`/runtime_modify?${KEY}=100`, 'POST');
    await allAnswer(clients, 'new');
  });
});
