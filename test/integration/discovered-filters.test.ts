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

describe('configurations of filters', () => {
  for (const flags of [[], ['--concurrency', '2']]) {
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
