/**
 * A proxy whose endpoints and secrets are held back: its listener is not there until the last of them
 * has come, and then carries the first request.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { serveSecrets } from '#app/sds-server.ts';
import { silentLogger } from '#observe/log.ts';
import { ListenerSchema } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import { registry } from '#xds/registry.ts';
import { encodeResource } from '#xds/snapshot.ts';
import { resources, startTestControlPlane } from '../support/control-plane.ts';
import { eventually } from '../support/eventually.ts';
import { type ProxyChild, startProxyChild } from '../support/proxy-child.ts';
import { tempDir } from '../support/temp-dir.ts';

const TYPES = 'type.googleapis.com/envoy';
const account = { namespace: 'default', serviceAccount: 'web' };

const secretFrom = (name: string): JsonValue => ({
  name,
  sdsConfig: {
    resourceApiVersion: 'V3',
    apiConfigSource: {
      apiType: 'GRPC',
      transportApiVersion: 'V3',
      grpcServices: [{ envoyGrpc: { clusterName: 'agent' } }],
    },
  },
});

/** TLS in, and everything to cluster `app`. */
const listener: JsonValue = {
  name: 'web',
  address: { socketAddress: { address: '127.0.0.1', portValue: 0 } },
  filterChains: [
    {
      filters: [
        {
          name: 'http',
          typedConfig: {
            '@type': `${TYPES}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
            statPrefix: 'web',
            routeConfig: {
              virtualHosts: [
                {
                  name: 'all',
                  domains: ['*'],
                  routes: [{ match: { prefix: '/' }, route: { cluster: 'app' } }],
                },
              ],
            },
            httpFilters: [
              {
                name: 'router',
                typedConfig: { '@type': `${TYPES}.extensions.filters.http.router.v3.Router` },
              },
            ],
          },
        },
      ],
      transportSocket: {
        name: 'tls',
        typedConfig: {
          '@type': `${TYPES}.extensions.transport_sockets.tls.v3.DownstreamTlsContext`,
          commonTlsContext: {
            tlsCertificateSdsSecretConfigs: [secretFrom('default')],
            validationContextSdsSecretConfig: secretFrom('ROOTCA'),
          },
        },
      },
    },
  ],
};

function bootstrap(xdsPort: number, sdsSocket: string): string {
  const cluster = (name: string, address: object, more: object = {}): object => ({
    name,
    type: 'STATIC',
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
    },
    ...more,
  });
  const http2 = {
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': `${TYPES}.extensions.upstreams.http.v3.HttpProtocolOptions`,
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
  };
  const ads = { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0s' };
  return JSON.stringify({
    node: { id: 'sidecar~127.0.0.1~web-0.default~default.svc.cluster.local', cluster: 'web.default' },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
    dynamic_resources: {
      ads_config: {
        // By delta the server would say that there are no endpoints, and nobody would wait for them.
        api_type: 'GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
      },
      cds_config: ads,
      lds_config: ads,
    },
    static_resources: {
      clusters: [
        cluster('xds', { socket_address: { address: '127.0.0.1', port_value: xdsPort } }, http2),
        cluster('agent', { pipe: { path: sdsSocket } }),
      ],
    },
  });
}

async function application(t: TestContext): Promise<number> {
  const server = createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Neither bound nor ready, although it has all that was sent. */
async function assertWaiting(proxy: ProxyChild): Promise<void> {
  assert.equal(await (await proxy.admin('/listeners')).text(), '');
  const ready = await proxy.admin('/ready');
  assert.deepEqual([ready.status, (await ready.text()).trim()], [503, 'INITIALIZING']);
}

for (const order of [
  ['endpoints', 'secrets'],
  ['secrets', 'endpoints'],
] as const) {
  test(`a listener waits for ${order.join(' and then for ')}`, async (t) => {
    const folder = tempDir(t);
    const sdsSocket = join(folder, 'sds.sock');
    const sds = await serveSecrets(sdsSocket, silentLogger);
    t.after(() => sds.close());
    const web = encodeResource('listener', fromJson(ListenerSchema, listener, { registry }));
    const withoutEndpoints = [resources.cluster('app'), web];
    const plane = await startTestControlPlane(t, { stateFolder: folder, resources: withoutEndpoints });
    const identity = await plane.certificate(account);
    const port = await application(t);
    const proxy = startProxyChild(t, bootstrap(plane.ports.plaintext, sdsSocket));

    /** The proxy has taken in, and named, all of a kind there is. */
    const acknowledged = (kind: 'LDS' | 'EDS'): Promise<void> =>
      eventually(async () => {
        const page = (await (await fetch(`${plane.apiUrl}/debug/syncz`)).json()) as {
          types: Record<string, { state: string; resources: number }>;
        }[];
        const status = page[0]?.types[kind];
        assert.deepEqual([status?.state, status?.resources], ['SYNCED', 1], proxy.output());
      });
    const give = {
      async endpoints(): Promise<void> {
        plane.set([...withoutEndpoints, resources.endpoint('app', port)]);
        await acknowledged('EDS');
      },
      async secrets(): Promise<void> {
        sds.set({ ...identity, rootCaPem: identity.rootPem, notAfterMs: 0 });
        await eventually(async () => {
          const dump = await (await proxy.admin('/config_dump?resource=dynamic_active_secrets')).text();
          assert.match(dump, /"default"/);
          assert.match(dump, /"ROOTCA"/);
        });
      },
    };

    await acknowledged('LDS');
    await assertWaiting(proxy);
    await give[order[0]]();
    await assertWaiting(proxy);
    await give[order[1]]();
    const bound = await proxy.port('web');
    await eventually(async () => assert.equal((await proxy.admin('/ready')).status, 200));

    const socket = connectTls({ host: '127.0.0.1', port: bound, rejectUnauthorized: false });
    socket.write('GET / HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n');
    assert.match(await text(socket), /^HTTP\/1\.1 200 [\s\S]*hello/);
  });
}
