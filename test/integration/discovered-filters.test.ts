/** Configurations of filters that come by name: in force in every thread, on connections that stay, and kept. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import {
  ads,
  adsBootstrap,
  cluster,
  delta,
  deltaOf,
  listenerOf,
  routes,
  typeUrl,
} from '../interop/xds/resources.ts';
import { eventually } from '../support/eventually.ts';
import { type ManagementServer, startManagementServer } from '../support/management-server.ts';
import { type ProxyChild, startProxyChild } from '../support/proxy-child.ts';
import { tempDir } from '../support/temp-dir.ts';

const FAULT = 'type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault';

/** Answers every request with that status. */
const abort = (http_status: number): JsonObject => ({
  '@type': typeUrl('extension'),
  name: 'f',
  typed_config: { '@type': FAULT, abort: { http_status, percentage: { numerator: 100 } } },
});

const { '@type': _, ...route_config } = routes('r', 'through');
const web = listenerOf('web', { route_config }, [
  { name: 'f', config_discovery: { config_source: ads, type_urls: [FAULT] } },
]);

const start = (t: TestContext, port: number, ...flags: string[]): ProxyChild =>
  startProxyChild(
    t,
    JSON.stringify({
      ...adsBootstrap('DELTA_GRPC')({ servers: [port] }),
      admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
    }),
    { flags },
  );

async function say(server: ManagementServer, ...responses: JsonObject[]): Promise<void> {
  for (const response of responses) {
    const stream = await eventually(() => server.stream('ads'));
    const isAsked = (): void =>
      assert.ok(stream.requests.some(({ typeUrl: asked }) => asked === response.type_url));
    await eventually(isAsked);
    stream.send(deltaOf(response));
    await eventually(() =>
      assert.ok(stream.requests.some(({ responseNonce }) => responseNonce === response.nonce)),
    );
  }
}

/** Status, and the port of the client's end of the connection. */
function ask(port: number, agent: Agent): Promise<{ status: number; from: number }> {
  return new Promise((resolve, reject) => {
    const request = get({ port, host: '127.0.0.1', agent }, (response) => {
      const from = response.socket.localPort!;
      response.resume().on('end', () => resolve({ status: response.statusCode!, from }));
    });
    request.on('error', reject);
  });
}

const RBAC = 'type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC';
const PROXY = 'type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol';

const named = (name: string, typed_config: JsonObject): JsonObject => ({
  '@type': typeUrl('extension'),
  name,
  typed_config,
});
/** Lets all connections in, or none. */
const door = (action: 'ALLOW' | 'DENY'): JsonObject =>
  named('door', {
    '@type': RBAC,
    stat_prefix: 'door.',
    rules: { action, policies: { all: { permissions: [{ any: true }], principals: [{ any: true }] } } },
  });
const proxied = (isOptional: boolean): JsonObject =>
  named('proxied', { '@type': PROXY, allow_requests_without_proxy_protocol: isOptional });

const guarded = (): JsonObject => {
  const { filter_chains: chains, ...listener } = listenerOf('web', { route_config }) as {
    filter_chains: { filters: JsonObject[] }[];
  };
  const filter = { name: 'door', config_discovery: { config_source: ads, type_urls: [RBAC] } };
  return {
    ...listener,
    listener_filters: [{ name: 'proxied', config_discovery: { config_source: ads, type_urls: [PROXY] } }],
    filter_chains: [{ filters: [filter, ...chains[0]!.filters] }],
  };
};

describe('configurations of filters', () => {
  for (const flags of [[], ['--concurrency', '2']]) {
    test(`of connections are changed for those to come ${flags.join(' ')}`, async (t) => {
      const server = await startManagementServer(t);
      const proxy = start(t, server.port, ...flags);
      await say(
        server,
        delta('cluster', 1, [cluster('a')]),
        delta('listener', 1, [guarded()]),
        delta('extension', 1, [door('ALLOW'), proxied(true)]),
      );
      const port = await proxy.port('web');
      const stays = new Agent({ keepAlive: true, maxSockets: 1 });
      t.after(() => stays.destroy());
      const { from } = await eventually(() => ask(port, stays));
      const anew = (): Promise<string[]> =>
        Promise.all(
          Array.from({ length: 8 }, () =>
            ask(port, new Agent({ keepAlive: false })).then(
              ({ status }) => String(status),
              () => 'closed',
            ),
          ),
        );
      const all = (outcome: string): Promise<void> =>
        eventually(async () => assert.deepEqual(new Set(await anew()), new Set([outcome])));
      await all('200');
      await say(server, delta('extension', 2, [door('DENY')]));
      await all('closed');
      await say(server, delta('extension', 3, [door('ALLOW'), proxied(false)]));
      await all('closed');
      await say(server, delta('extension', 4, [proxied(true)]));
      await all('200');
      await say(server, delta('extension', 5, [], { removed: ['door'] }));
      await all('closed');
      assert.deepEqual(await ask(port, stays), { status: 200, from });
    });

    test(`are changed and kept ${flags.join(' ')}`, async (t) => {
      const file = join(tempDir(t), 'kept');
      const server = await startManagementServer(t);
      const first = start(t, server.port, '--kept-configuration', file, ...flags);
      await say(
        server,
        delta('cluster', 1, [cluster('a')]),
        delta('listener', 1, [web]),
        delta('extension', 1, [abort(418)]),
      );
      const port = await first.port('web');
      const agents = Array.from({ length: 6 }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
      t.after(() => agents.forEach((agent) => void agent.destroy()));
      const askAll = (at: number): Promise<{ status: number; from: number }[]> =>
        Promise.all(agents.map((agent) => ask(at, agent)));
      const before = await eventually(async () => {
        const answers = await askAll(port);
        assert.ok(answers.every(({ status }) => status === 418));
        return answers;
      });
      await say(server, delta('extension', 2, [abort(503)]));
      await eventually(async () => {
        const answers = await askAll(port);
        assert.ok(answers.every(({ status }) => status === 503));
        assert.deepEqual(
          answers.map(({ from }) => from),
          before.map(({ from }) => from),
        );
      });
      await eventually(() => assert.ok(existsSync(file) && readFileSync(file).includes('v2')));
      first.child.kill('SIGTERM');
      await first.ended;
      server.close();
      const second = start(t, server.port, '--kept-configuration', file, ...flags);
      const again = await second.port('web');
      await eventually(async () => assert.ok((await askAll(again)).every(({ status }) => status === 503)));
      const back = await startManagementServer(t, { port: server.port });
      await say(back, delta('extension', 3, [], { removed: ['f'] }));
      await eventually(async () => assert.ok((await askAll(again)).every(({ status }) => status === 500)));
    });
  }
});
