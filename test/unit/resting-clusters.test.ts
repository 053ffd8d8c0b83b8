/** Clusters at rest show what those show that were running all the time, and serve like them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  createRegistry,
  fromBinary,
  fromJson,
  type JsonObject,
  type JsonValue,
  toBinary,
} from '@bufbuild/protobuf';
import { countUpdates } from '#app/update-stats.ts';
import { atOnce, inSlices } from '#core/time-slice.ts';
import { silentLogger } from '#observe/log.ts';
import { Configuration } from '#proxy/apply/configuration.ts';
import { heldText } from '#proxy/held-text.ts';
import { noRuntime } from '#proxy/runtime/values.ts';
import { type Cluster, ClusterSchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import {
  type ClusterLoadAssignment,
  ClusterLoadAssignmentSchema,
} from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { RawBufferSchema } from '#xds/gen/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.js';
import { UpstreamTlsContextSchema } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import {
  bootstrap,
  cluster,
  httpListener,
  type RunningDataPath,
  startDataPath,
} from '../support/data-path.ts';

const told = `
  - { name: told, type: EDS, connect_timeout: 1s, eds_cluster_config: { eds_config: { ads: {}, resource_api_version: V3 } } }`;
const routes = `[{ match: { prefix: /told }, route: { cluster: told } }, { match: { prefix: / }, route: { cluster: fixed } }]`;

function assignment(...lbEndpoints: JsonValue[]): ClusterLoadAssignment {
  return fromJson(ClusterLoadAssignmentSchema, { clusterName: 'told', endpoints: [{ lbEndpoints }] });
}

function endpoint(port: number, healthStatus = 'UNKNOWN'): JsonValue {
  return {
    healthStatus,
    endpoint: { address: { socketAddress: { address: '127.0.0.1', portValue: port } } },
  };
}

/** As a control plane of Istio's kind sends it. */
function meshCluster(name: string, more: JsonObject = {}): Cluster {
  const sds = (secret: string): JsonObject => ({
    name: secret,
    sdsConfig: { ads: {}, resourceApiVersion: 'V3' },
  });
  const context = {
    '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
    sni: `outbound_.80_._.${name}.default.svc.cluster.local`,
    commonTlsContext: {
      alpnProtocols: ['istio-http/1.1', 'istio', 'http/1.1'],
      tlsCertificateSdsSecretConfigs: [sds('default')],
      combinedValidationContext: {
        defaultValidationContext: {
          matchTypedSubjectAltNames: [
            { sanType: 'URI', matcher: { exact: `spiffe://mesh/ns/default/sa/${name}` } },
          ],
        },
        validationContextSdsSecretConfig: sds('ROOTCA'),
      },
    },
  };
  const unlimited = 4_294_967_295;
  const options = { registry: createRegistry(UpstreamTlsContextSchema, RawBufferSchema) };
  return fromJson(
    ClusterSchema,
    {
      name,
      type: 'EDS',
      connectTimeout: '1s',
      lbPolicy: 'LEAST_REQUEST',
      edsClusterConfig: { serviceName: name, edsConfig: { ads: {}, resourceApiVersion: 'V3' } },
      circuitBreakers: {
        thresholds: [{ maxConnections: unlimited, maxRequests: unlimited, trackRemaining: true }],
      },
      metadata: {
        filterMetadata: { istio: { services: [{ host: `${name}.local`, name, namespace: 'default' }] } },
      },
      transportSocketMatches: [
        {
          name: 'tlsMode-istio',
          match: { tlsMode: 'istio' },
          transportSocket: { name: 'envoy.transport_sockets.tls', typedConfig: context },
        },
        {
          name: 'tlsMode-disabled',
          match: {},
          transportSocket: {
            name: 'envoy.transport_sockets.raw_buffer',
            typedConfig: {
              '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer',
            },
          },
        },
      ],
      ...more,
    },
    options,
  );
}

function meshAssignment(name: string, ports: readonly number[], tlsMode = 'istio'): ClusterLoadAssignment {
  return fromJson(ClusterLoadAssignmentSchema, {
    clusterName: name,
    endpoints: [
      {
        locality: { region: 'here', zone: 'a' },
        lbEndpoints: ports.map((port) => ({
          endpoint: { address: { socketAddress: { address: '127.0.0.1', portValue: port } } },
          metadata: {
            filterMetadata: {
              istio: { workload: `${name}-v1;default;${name};v1;Kubernetes` },
              'envoy.transport_socket_match': { tlsMode },
            },
          },
          loadBalancingWeight: 1,
        })),
      },
    ],
  });
}

function shown({ metrics, dataPath }: RunningDataPath): unknown {
  const stats = metrics.stats().filter(({ name }) => name.startsWith('cluster.'));
  return {
    stats: stats.map((stat) => [stat.name, stat.kind === 'histogram' ? stat.kind : stat.value]),
    clusters: [...dataPath.clusters()].map((status) => ({ ...status, endpoints: [...status.endpoints] })),
  };
}

async function startApplication(t: TestContext): Promise<number> {
  const server = createServer((_, response) => response.end('hello'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

describe('clusters at rest', () => {
  test('show what running ones show, before and after their first request', async (t) => {
    const port = await startApplication(t);
    const text = bootstrap([httpListener({ routes })], [cluster('fixed', [port, port]), told]);
    const resting = await startDataPath(t, text);
    // Where there are threads none rests.
    const running = await startDataPath(t, text, undefined, undefined, { thread: { index: 0, count: 1 } });
    const both = [resting, running] as const;
    const counted = { kind: 'endpoint', name: 'told', by: 'told' } as const;
    const counts = both.map(({ metrics }) => countUpdates(metrics, () => []));
    for (const count of counts) count.asked(counted);
    const agree = (when: string): void => assert.deepEqual(shown(resting), shown(running), when);
    agree('at first');
    for (const [when, update] of [
      ['with two endpoints', assignment(endpoint(port), endpoint(port + 1, 'DEGRADED'))],
      ['with the same again', assignment(endpoint(port), endpoint(port + 1, 'DEGRADED'))],
      ['with another in the place of one', assignment(endpoint(port), endpoint(port + 2, 'UNHEALTHY'))],
      ['with fewer', assignment(endpoint(port))],
    ] as const) {
      for (const { dataPath } of both) assert.deepEqual(await inSlices(dataPath.setEndpoints(update)), []);
      for (const count of counts) count.answered(counted, 'success');
      agree(when);
    }
    assert.equal(resting.stat('cluster.told.membership_change'), 3);
    for (const count of counts) count.answered(counted, 'rejected');
    agree('with one refused');
    assert.equal(resting.stat('cluster.told.update_success'), 4);
    assert.equal(resting.stat('cluster.told.update_attempt'), 6);
    assert.equal(resting.stat('cluster.told.update_rejected'), 1);
    assert.equal(resting.stat('cluster.fixed.membership_total'), 1);

    for (const count of counts) count.answered(counted, 'gone');
    agree('without any');

    for (const path of [both[0], both[1]]) {
      for (const target of ['/told', '/']) {
        const response = await fetch(`http://127.0.0.1:${path.port('web')}${target}`);
        assert.equal(await response.text(), 'hello');
      }
    }
    for (const name of [
      'told.membership_change',
      'told.membership_total',
      'told.membership_healthy',
      'told.update_attempt',
      'told.update_success',
      'told.update_rejected',
      'told.update_empty',
      'told.default.total_match_count',
      'told.upstream_rq_total',
      'fixed.membership_change',
      'fixed.default.total_match_count',
      'fixed.upstream_rq_200',
    ]) {
      assert.equal(resting.stat(`cluster.${name}`), running.stat(`cluster.${name}`), name);
    }
    assert.equal(resting.stat('cluster.told.upstream_rq_total'), 1);
    for (const count of counts) count.answered(counted, 'same');
    for (const { stat } of both) {
      assert.equal(stat('cluster.told.update_no_rebuild'), 1);
      assert.equal(stat('cluster.told.update_success'), 6);
    }
  });

  test('take what replaces them, and leave nothing behind', async (t) => {
    const port = await startApplication(t);
    const { dataPath, add, stat, metrics } = await startDataPath(
      t,
      bootstrap([httpListener({ routes })], [cluster('fixed', [port])]),
    );
    await add(bootstrap([], [cluster('fixed', [port, port + 1])]));
    assert.equal(stat('cluster.fixed.membership_change'), 2);
    assert.equal(stat('cluster.fixed.membership_total'), 2);
    await inSlices(dataPath.removeCluster('fixed'));
    assert.deepEqual([...dataPath.clusters()], []);
    assert.ok(!metrics.stats().some(({ name }) => name.startsWith('cluster.fixed.')));
  });

  test('with more endpoints than can be made while a request waits, run', async (t) => {
    const { dataPath, stat, metrics } = await startDataPath(t, bootstrap([], [told]));
    const ports = Array.from({ length: 101 }, (_, i) => 1000 + i);
    await inSlices(dataPath.setEndpoints(assignment(...ports.map((port) => endpoint(port)))));
    assert.equal(stat('cluster.told.membership_total'), 101);
    await inSlices(dataPath.setEndpoints(assignment(endpoint(1))));
    assert.equal(stat('cluster.told.membership_total'), 1);
    assert.equal(metrics.stats().filter(({ name }) => name === 'cluster.told.membership_total').length, 1);
  });

  test('of a mesh show limits, matches, outliers and figures of TLS, and are read again when they wake', async (t) => {
    const port = await startApplication(t);
    const text = bootstrap([httpListener({ routes: routes.replaceAll('fixed', 'mesh') })], []);
    const limits: Record<string, number> = {};
    const runtime = {
      ...noRuntime,
      integer: (key: string, byDefault: number) => limits[key] ?? byDefault,
    };
    const resting = await startDataPath(t, text, undefined, undefined, { runtime });
    const thread = { index: 0, count: 1 };
    const running = await startDataPath(t, text, undefined, undefined, { runtime, thread });
    const both = [resting, running] as const;
    const message = meshCluster('mesh', { outlierDetection: { consecutive5xx: 5, interval: '1s' } });
    const install = async (): Promise<void> => {
      for (const { dataPath } of both) {
        const prepared = atOnce(dataPath.prepareCluster(message, heldText(toBinary(ClusterSchema, message))));
        assert.ok(prepared.ok);
        await prepared.value.install();
      }
    };
    const assign = async (given: ClusterLoadAssignment): Promise<void> => {
      const held = heldText(toBinary(ClusterLoadAssignmentSchema, given));
      for (const { dataPath } of both)
        assert.deepEqual(await inSlices(dataPath.setEndpoints(given, held)), []);
    };
    const agree = (when: string): void => assert.deepEqual(shown(resting), shown(running), when);
    await install();
    agree('at first');
    await assign(meshAssignment('mesh', [port, port + 1]));
    agree('with endpoints of TLS');
    for (const { secrets } of both) {
      secrets.set('default', { certificateChainPem: 'a', privateKeyPem: 'b' });
      secrets.set('another', { trustedCaPem: 'c' });
    }
    agree('with a secret');
    const { stat } = resting;
    assert.equal(stat('cluster.mesh.client_ssl_socket_factory.ssl_context_update_by_sds'), 3);
    assert.equal(stat('cluster.mesh.tlsMode-istio.total_match_count'), 2);
    assert.equal(stat('cluster.mesh.circuit_breakers.default.remaining_cx'), 4_294_967_295);
    limits['circuit_breakers.mesh.default.max_connections'] = 7;
    for (const { dataPath } of both) dataPath.onRuntime();
    assert.equal(stat('cluster.mesh.circuit_breakers.default.remaining_cx'), 7);
    delete limits['circuit_breakers.mesh.default.max_connections'];
    for (const { dataPath } of both) dataPath.onRuntime();
    await assign(meshAssignment('mesh', [port], 'disabled'));
    agree('with an endpoint without TLS');
    assert.equal(stat('cluster.mesh.tlsMode-disabled.total_match_count'), 1);
    await install();
    agree('with the same cluster again');
    for (const path of both) {
      const response = await fetch(`http://127.0.0.1:${path.port('web')}/`);
      assert.equal(await response.text(), 'hello');
    }
    for (const name of [
      'client_ssl_socket_factory.ssl_context_update_by_sds',
      'tlsMode-istio.total_match_count',
      'tlsMode-disabled.total_match_count',
      'circuit_breakers.default.remaining_rq',
      'circuit_breakers.default.remaining_retries',
      'ssl.handshake',
      'outlier_detection.ejections_active',
      'membership_change',
      'upstream_rq_total',
    ]) {
      assert.equal(stat(`cluster.mesh.${name}`), running.stat(`cluster.mesh.${name}`), name);
    }
    assert.equal(stat('cluster.mesh.upstream_rq_total'), 1);
  });

  test('of a mesh take little memory', async (t) => {
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    const { dataPath, secrets, metrics } = await startDataPath(t, bootstrap([], []));
    for (const name of ['default', 'ROOTCA']) secrets.set(name, { trustedCaPem: name });
    const configuration = new Configuration({
      ...{ dataPath, secrets, log: silentLogger, initialFetchTimeoutMs: 0 },
      installFailed: () => assert.fail('it could not be put in force'),
      updateCounts: countUpdates(metrics, () => []),
    });
    t.after(() => configuration.close());
    const offer = async (from: number, count: number): Promise<void> => {
      for (let at = from; at < from + count; at++) {
        const name = `outbound|80||service-${at}.default.svc.cluster.local`;
        const given = { version: `version ${at}`, origin: 'dynamic' } as const;
        const encoded = toBinary(ClusterSchema, meshCluster(name));
        const message = fromBinary(ClusterSchema, encoded);
        assert.deepEqual(atOnce(configuration.offerCluster({ ...given, message, encoded })), []);
        const endpoints = toBinary(ClusterLoadAssignmentSchema, meshAssignment(name, [1000 + at]));
        const assigned = fromBinary(ClusterLoadAssignmentSchema, endpoints);
        const problems = atOnce(
          configuration.offerEndpoints({ ...given, message: assigned, encoded: endpoints }),
        );
        assert.deepEqual(problems, []);
      }
      await configuration.settle();
    };
    const used = (): number => {
      gc();
      gc();
      return process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers;
    };
    // Code that is compiled while they come is no part of them.
    await offer(0, 1000);
    const before = used();
    await offer(1000, 1000);
    const bytes = (used() - before) / 1000;
    assert.equal([...dataPath.clusters()].length, 2000);
    t.diagnostic(`${bytes.toFixed(0)} bytes a cluster`);
    assert.ok(bytes < 3500, `${bytes} bytes a cluster`);
  });
});
