/** Virtual hosts that come one by one: in force in every thread, asked for by any of them, and kept. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { ads, adsBootstrap, cluster, delta, deltaOf, listener, typeUrl } from '../interop/xds/resources.ts';
import { eventually } from '../support/eventually.ts';
import { type ManagementServer, startManagementServer } from '../support/management-server.ts';
import { type ProxyChild, startProxyChild } from '../support/proxy-child.ts';
import { tempDir } from '../support/temp-dir.ts';

const onDemand: JsonObject = {
  name: 'envoy.filters.http.on_demand',
  typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.on_demand.v3.OnDemand' },
};
const routes: JsonObject = { '@type': typeUrl('route'), name: 'r', vhds: { config_source: ads } };

/** Answers with its name. */
const host = (name: string): JsonObject => ({
  '@type': typeUrl('virtualHost'),
  name: `r/${name}`,
  domains: [name],
  routes: [{ match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: name } } }],
});

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
    await eventually(() =>
      assert.ok(stream.requests.some(({ typeUrl: asked }) => asked === response.type_url)),
    );
    stream.send(deltaOf(response));
    await eventually(() =>
      assert.ok(stream.requests.some(({ responseNonce }) => responseNonce === response.nonce)),
    );
  }
}

/** On a connection of its own: any thread may have it. */
function ask(port: number, name: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get(
      { port, host: '127.0.0.1', headers: { host: name, connection: 'close' } },
      (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text) => (body += text));
        response.on('end', () => resolve(`${response.statusCode} ${body}`));
      },
    );
    request.on('error', reject);
  });
}

describe('virtual hosts', () => {
  for (const flags of [[], ['--concurrency', '2']]) {
    test(`are asked for and kept ${flags.join(' ')}`, async (t) => {
      const file = join(tempDir(t), 'kept');
      const server = await startManagementServer(t);
      const first = start(t, server.port, '--kept-configuration', file, '--drain-time-s', '1', ...flags);
      await say(
        server,
        delta('cluster', 1, [cluster('a')]),
        delta('listener', 1, [listener('web', 'r', ads, [onDemand])]),
        delta('route', 1, [routes]),
        delta('virtualHost', 1, [host('first.example')]),
      );
      const port = await first.port('web');
      const waiting = Promise.all(Array.from({ length: 8 }, () => ask(port, 'asked.example')));
      await eventually(() => {
        const asked = server
          .stream('ads')
          .requests.flatMap((one) => ('resourceNamesSubscribe' in one ? one.resourceNamesSubscribe : []));
        assert.deepEqual(
          asked.filter((name) => name.startsWith('r/')),
          ['r/asked.example'],
        );
      });
      await say(server, delta('virtualHost', 2, [host('asked.example')]));
      assert.deepEqual(
        await waiting,
        Array.from({ length: 8 }, () => '200 asked.example'),
      );
      const all = ['first.example', 'asked.example'];
      for (const name of all) assert.equal(await ask(port, name), `200 ${name}`);
      await eventually(() => {
        assert.ok(existsSync(file));
        for (const name of all) assert.ok(readFileSync(file, 'latin1').includes(`r/${name}`));
      });
      first.child.kill('SIGTERM');
      await first.ended;
      server.close();
      const second = start(t, server.port, '--kept-configuration', file, '--drain-time-s', '1', ...flags);
      const again = await second.port('web');
      for (const name of all) assert.equal(await ask(again, name), `200 ${name}`);
    });
  }
});
