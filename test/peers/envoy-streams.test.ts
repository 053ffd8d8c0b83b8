/**
 * The server's stream machines against a real Envoy, over both variants of ADS: it accepts, warms, refuses
 * and lets go as the machines expect.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { create, type DescMethodBiDiStreaming, fromBinary, type Message, toBinary } from '@bufbuild/protobuf';
import { type handleBidiStreamingCall, Server, ServerCredentials, status } from '@grpc/grpc-js';
import { messageFromDocument } from '#xds/document.ts';
import { Cluster_DiscoveryType, ClusterSchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import { AggregatedDiscoveryService } from '#xds/gen/envoy/service/discovery/v3/ads_pb.js';
import type { KindStatus, ServerStream, ServerStreamOptions } from '#xds/server/contract.ts';
import { createDeltaServerStream } from '#xds/server/delta.ts';
import { createSotwServerStream } from '#xds/server/sotw.ts';
import { type EncodedResource, encodeResource, type Snapshot, snapshotOf } from '#xds/snapshot.ts';
import { eventually } from '../support/eventually.ts';
import { requirePeer } from '../support/peer.ts';
import { tempDir } from '../support/temp-dir.ts';

type AnyStream = ServerStream<Message, Message>;

interface Variant {
  readonly apiType: 'GRPC' | 'DELTA_GRPC';
  readonly method: DescMethodBiDiStreaming;
  create(options: ServerStreamOptions): AnyStream;
  /** Responses to a client that comes back after it let the endpoints of a cluster go. */
  readonly repeated: number;
}

const methods = AggregatedDiscoveryService.method;
const variants: readonly Variant[] = [
  {
    apiType: 'DELTA_GRPC',
    method: methods.deltaAggregatedResources as unknown as DescMethodBiDiStreaming,
    create: (options) => createDeltaServerStream(options) as unknown as AnyStream,
    repeated: 0,
  },
  {
    apiType: 'GRPC',
    method: methods.streamAggregatedResources as unknown as DescMethodBiDiStreaming,
    create: (options) => createSotwServerStream(options) as unknown as AnyStream,
    // The one version a client brings is still that of the endpoints of both clusters.
    repeated: 1,
  },
];

/** A management server whose snapshot the test sets. */
interface Management {
  readonly port: number;
  push(resources: readonly EncodedResource[]): void;
  /** Of the newest stream. */
  status(): readonly KindStatus[];
  /** Responses sent on the newest stream. */
  sent(): number;
  /** Ends the stream. */
  drop(): void;
}

async function manage(t: TestContext, { method, create: createStream }: Variant): Promise<Management> {
  let snapshot: Snapshot | undefined;
  let stream: AnyStream | undefined;
  let send: (responses: readonly Message[]) => void = () => {};
  let sent = 0;
  let drop: () => void = () => {};
  const handle: handleBidiStreamingCall<Message, Message> = (call) => {
    const mine = createStream({ nowMs: Date.now, snapshot });
    stream = mine;
    sent = 0;
    send = (responses) => {
      for (const response of responses) call.write(response);
      sent += responses.length;
    };
    drop = () => call.emit('error', { code: status.UNAVAILABLE, details: 'away for a moment' });
    call.on('data', (request) => send(mine.onRequest(request)));
    call.on('error', () => {});
    call.on('end', () => call.end());
  };
  const server = new Server();
  const path = `/${method.parent.typeName}/${method.name}`;
  const definition = {
    path,
    requestStream: true,
    responseStream: true,
    requestDeserialize: (bytes: Buffer): Message => fromBinary(method.input, bytes),
    requestSerialize: (message: Message): Buffer => Buffer.from(toBinary(method.input, message)),
    responseDeserialize: (bytes: Buffer): Message => fromBinary(method.output, bytes),
    responseSerialize: (message: Message): Buffer => Buffer.from(toBinary(method.output, message)),
  };
  server.addService({ [method.name]: definition }, { [method.name]: handle });
  t.after(() => server.forceShutdown());
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  return {
    port,
    push(resources): void {
      snapshot = snapshotOf(resources, snapshot);
      if (stream !== undefined) send(stream.onSnapshot(snapshot));
    },
    status: () => stream?.status() ?? [],
    sent: () => sent,
    drop(): void {
      stream = undefined;
      drop();
    },
  };
}

/** Starts Envoy with nothing but its management server. Returns a way to ask its admin. */
async function startEnvoy(
  t: TestContext,
  envoy: string,
  apiType: string,
  port: number,
): Promise<(path: string) => Promise<string>> {
  const folder = tempDir(t);
  const adminFile = join(folder, 'admin');
  const address = (number: number) => ({ socket_address: { address: '127.0.0.1', port_value: number } });
  const http2 = {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      explicit_http_config: { http2_protocol_options: {} },
    },
  };
  const config = join(folder, 'envoy.json');
  writeFileSync(
    config,
    JSON.stringify({
      node: { id: 'test', cluster: 'test' },
      admin: { address: address(0) },
      dynamic_resources: {
        ads_config: {
          api_type: apiType,
          transport_api_version: 'V3',
          grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
        },
        cds_config: { ads: {}, resource_api_version: 'V3' },
        lds_config: { ads: {}, resource_api_version: 'V3' },
      },
      static_resources: {
        clusters: [
          {
            name: 'xds',
            type: 'STATIC',
            typed_extension_protocol_options: http2,
            load_assignment: {
              cluster_name: 'xds',
              endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }],
            },
          },
        ],
      },
    }),
  );
  const child = spawn(
    envoy,
    [
      '-c',
      config,
      '--use-dynamic-base-id',
      '--concurrency',
      '1',
      '--admin-address-path',
      adminFile,
      '-l',
      'off',
    ],
    { stdio: 'ignore' },
  );
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  t.after(() => {
    child.kill('SIGKILL');
    return gone;
  });
  const admin = await eventually(() => readFileSync(adminFile, 'utf8').trim());
  return async (path) => (await fetch(`http://${admin}${path}`)).text();
}

const edsOverAds = {
  edsConfig: { configSourceSpecifier: { case: 'ads', value: {} }, resourceApiVersion: 2 },
} as const;

/** A cluster with endpoints. @param timeoutSeconds another value, another version. */
function service(name: string, timeoutSeconds = 1): EncodedResource[] {
  const cluster = create(ClusterSchema, {
    name,
    connectTimeout: { seconds: BigInt(timeoutSeconds) },
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
    edsClusterConfig: edsOverAds,
  });
  return [
    encodeResource('cluster', cluster),
    encodeResource('endpoint', create(ClusterLoadAssignmentSchema, { clusterName: name })),
  ];
}

/** Listener "x" with a route table to `cluster`. @param statPrefix Envoy refuses an empty one. */
function front(cluster: string, statPrefix = 'x'): EncodedResource[] {
  const manager = {
    '@type':
      'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: statPrefix,
    rds: { route_config_name: 'x', config_source: { ads: {}, resource_api_version: 'V3' } },
    http_filters: [
      {
        name: 'router',
        typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
      },
    ],
  };
  const listener = messageFromDocument(ListenerSchema, {
    value: {
      name: 'x',
      address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
      filter_chains: [{ filters: [{ name: 'http', typed_config: manager }] }],
    },
  });
  const routes = messageFromDocument(RouteConfigurationSchema, {
    value: {
      name: 'x',
      virtual_hosts: [
        { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster } }] },
      ],
    },
  });
  assert.ok(listener.ok && routes.ok);
  return [encodeResource('listener', listener.value), encodeResource('route', routes.value)];
}

function states(management: Management): string {
  return management
    .status()
    .map(({ kind, state }) => `${kind} ${state}`)
    .join(', ');
}

const allSynced = 'cluster synced, endpoint synced, listener synced, route synced';

for (const variant of variants) {
  describe(`Envoy over ${variant.apiType}`, () => {
    test('accepts, warms, refuses and lets go', { timeout: 120_000 }, async (t) => {
      const envoy = requirePeer(t, 'envoy');
      if (envoy === undefined) return;
      const management = await manage(t, variant);
      management.push([...service('a'), ...service('b'), ...front('a')]);
      const admin = await startEnvoy(t, envoy, variant.apiType, management.port);
      const synced = () => eventually(() => assert.equal(states(management), allSynced));
      const clusters = async (): Promise<string> =>
        [...(await admin('/clusters')).matchAll(/^([^:]+)::observability_name/gm)]
          .map(([, name]) => name)
          .sort()
          .join();
      await synced();

      await t.test('a changed cluster is in use at once: its endpoints come along', async () => {
        management.push([...service('a', 2), ...service('b'), ...front('a')]);
        await synced();
        await eventually(
          async () => {
            assert.match(
              await admin('/config_dump?resource=dynamic_active_clusters'),
              /"connect_timeout": "2s"/,
            );
            assert.match(await admin('/stats?filter=warming_clusters'), /warming_clusters: 0/);
          },
          { timeoutMs: 5_000 },
        );
      });

      await t.test('a refusal carries its words, and ends with the next change', async () => {
        management.push([...service('a', 2), ...service('b'), ...front('a', '')]);
        await eventually(() => {
          const { state, nack } = management.status().find(({ kind }) => kind === 'listener')!;
          assert.equal(state, 'nack');
          assert.match(nack?.message ?? '', /StatPrefix/);
        });
        management.push([...service('a', 2), ...service('b'), ...front('a', 'y')]);
        await synced();
      });

      await t.test('a cluster goes when no route points at it any more', async () => {
        management.push([...service('b'), ...front('b', 'y')]);
        await synced();
        await eventually(async () => assert.equal(await clusters(), 'b,xds'));
        assert.match(await admin('/config_dump?resource=dynamic_route_configs'), /"cluster": "b"/);
      });

      await t.test('a client that comes back is not sent what it has', async () => {
        management.drop();
        await synced();
        assert.equal(management.sent(), variant.repeated);
        management.push([...service('b', 3), ...front('b', 'y')]);
        await synced();
        assert.equal(management.sent(), variant.repeated + 2, 'the cluster and its endpoints');
      });

      await t.test('Envoy itself has counted one refusal, of the listener', async () => {
        assert.match(await admin('/stats?filter=update_rejected'), /cluster_manager.cds.update_rejected: 0/);
        assert.match(await admin('/stats?filter=listener_manager.lds.update_rejected'), /update_rejected: 1/);
      });
    });
  });
}
