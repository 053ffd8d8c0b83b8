/** What the proxy is told, from the stream to the data path: order, refusals, removals, reconnection. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { create, type Message } from '@bufbuild/protobuf';
import type { AdoptNames } from '#proxy/apply/receive.ts';
import { fromAds } from '#proxy/resource-source.ts';
import {
  type Cluster,
  Cluster_DiscoveryType,
  ClusterSchema,
} from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryResponseSchema,
} from '#xds/gen/envoy/service/discovery/v3/discovery_pb.js';
import { type NameTable, NameTableSchema } from '#xds/gen/istio/networking/nds/v1/nds_pb.js';
import { createMemoryTransport, type ServedStream } from '#xds/memory-transport.ts';
import { packAny } from '#xds/registry.ts';
import { type ResourceKind, resourceTypes } from '#xds/resource-type.ts';
import { type ConfiguredProxy, configuredProxy } from '../support/configured-proxy.ts';
import { eventually } from '../support/eventually.ts';
import { fromServer } from '../support/wanted.ts';

interface Server {
  /** Of every connection, in order. */
  readonly requests: DeltaDiscoveryRequest[];
  readonly connections: ServedStream[];
  /** Sends one response on the last connection. */
  push(kind: ResourceKind, resources: readonly Message[], removed?: readonly string[]): void;
  /** Requests of one kind, acknowledgements among them. */
  of(kind: ResourceKind): DeltaDiscoveryRequest[];
}

interface Rig extends ConfiguredProxy {
  readonly server: Server;
}

function rig(t: TestContext, initialFetchTimeoutMs = 60_000, adoptNames?: AdoptNames): Rig {
  const requests: DeltaDiscoveryRequest[] = [];
  const connections: ServedStream[] = [];
  let nonce = 0;
  const transport = createMemoryTransport({
    onStream(stream) {
      connections.push(stream);
      return {
        onMessage: (message) => void requests.push(message as DeltaDiscoveryRequest),
        onEnd: () => {},
      };
    },
  });
  const of = (kind: ResourceKind): DeltaDiscoveryRequest[] =>
    requests.filter(({ typeUrl }) => typeUrl === resourceTypes[kind].typeUrl);
  const server: Server = {
    requests,
    connections,
    of,
    push(kind, resources, removed = []): void {
      const { schema, typeUrl, nameOf } = resourceTypes[kind];
      nonce += 1;
      connections.at(-1)?.send(
        create(DeltaDiscoveryResponseSchema, {
          typeUrl,
          nonce: String(nonce),
          removedResources: [...removed],
          resources: resources.map((message) => ({
            name: nameOf(message as never),
            version: `v${nonce}`,
            resource: packAny(schema, message as never),
          })),
        }),
      );
    },
  };
  return { server, ...configuredProxy(t, { transport, initialFetchTimeoutMs, adoptNames }) };
}

const edsCluster = (name: string): Cluster =>
  create(ClusterSchema, { name, clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS } });
const endpoints = (clusterName: string): Message => create(ClusterLoadAssignmentSchema, { clusterName });
const listener = (name: string): Message => create(ListenerSchema, { name });
const routes = (name: string): Message => create(RouteConfigurationSchema, { name });

const answered = (server: Server, kind: ResourceKind, count: number): Promise<void> =>
  eventually(() =>
    assert.equal(server.of(kind).filter(({ responseNonce }) => responseNonce !== '').length, count),
  );

describe('warming', () => {
  test('a listener that hands connections over comes after those it hands them to', async (t) => {
    const { server, dataPath } = rig(t);
    dataPath.needs.set('web', { routes: [fromAds('r')] });
    server.push('cluster', []);
    server.push('listener', [create(ListenerSchema, { name: 'all', useOriginalDst: true }), listener('web')]);
    await answered(server, 'listener', 1);
    await eventually(() => assert.deepEqual(server.of('route')[0]?.resourceNamesSubscribe, ['r']));
    assert.deepEqual(dataPath.events, [], 'it would lead them past the one that waits');
    server.push('route', [routes('r')]);
    const all = ['install routes r', 'install listener web', 'install listener all'];
    await eventually(() => assert.deepEqual(dataPath.events, all));
  });

  test('a listener waits for clusters, their endpoints, its routes and its secrets', async (t) => {
    const { server, dataPath, secrets, complete } = rig(t);
    dataPath.needs.set('web', {
      routes: [fromAds('r')],
      secrets: [fromServer('sds-grpc', 'default')],
    });
    server.push('listener', [listener('web')]);
    await answered(server, 'listener', 1);
    assert.deepEqual(dataPath.events, [], 'the first clusters are not known');

    server.push('cluster', [edsCluster('a')]);
    await answered(server, 'cluster', 1);
    await eventually(() => assert.deepEqual(server.of('endpoint')[0]?.resourceNamesSubscribe, ['a']));
    await eventually(() => assert.deepEqual(server.of('route')[0]?.resourceNamesSubscribe, ['r']));
    server.push('route', [routes('r')]);
    await answered(server, 'route', 1);
    assert.deepEqual(dataPath.events, [], 'routes wait for the cluster, the cluster for its endpoints');

    server.push('endpoint', [endpoints('a')]);
    await answered(server, 'endpoint', 1);
    const before = ['endpoints a', 'install cluster a', 'install routes r'];
    assert.deepEqual(dataPath.events, before, 'the listener waits for its secret');
    assert.equal(complete(), false);

    secrets.set(fromServer('sds-grpc', 'default').key, {});
    await eventually(() => assert.deepEqual(dataPath.events, [...before, 'install listener web']));
    assert.equal(complete(), true);
  });

  test('what stays away is waited for at most the initial fetch timeout', async (t) => {
    const { server, dataPath } = rig(t, 30);
    server.push('cluster', [edsCluster('a')]);
    await eventually(() => assert.deepEqual(dataPath.events, ['install cluster a']));
  });

  test('a listener that cannot be bound is tried again', async (t) => {
    const { server, dataPath, configuration } = rig(t);
    dataPath.failing.add('web');
    server.push('cluster', []);
    server.push('listener', [listener('web')]);
    await eventually(() =>
      assert.match(configuration.table.get('listener', 'web')?.refused?.details ?? '', /in use/),
    );
    await eventually(() => assert.deepEqual(dataPath.events, ['install listener web']));
  });
});

describe('acceptance', () => {
  test('what is valid takes effect, and the refusal names every other with its path', async (t) => {
    const { server, dataPath, configuration } = rig(t);
    dataPath.refused.add('bad').add('worse');
    server.push('cluster', [create(ClusterSchema, { name: 'good' })]);
    await answered(server, 'cluster', 1);
    server.push(
      'cluster',
      ['good', 'bad', 'worse'].map((name) => create(ClusterSchema, { name })),
    );
    await answered(server, 'cluster', 2);
    const error = server.of('cluster').at(-1)?.errorDetail?.message ?? '';
    assert.match(error, /CDS bad: name: refused by the test/);
    assert.match(error, /CDS worse: name: refused by the test/);
    assert.deepEqual(dataPath.events, ['install cluster good'], 'what comes again as it is stays');
    assert.match(configuration.table.get('cluster', 'bad')?.refused?.details ?? '', /refused by the test/);
  });

  test('a refused update leaves the last good version in force', async (t) => {
    const { server, dataPath, configuration } = rig(t);
    server.push('cluster', [create(ClusterSchema, { name: 'a' })]);
    await answered(server, 'cluster', 1);
    dataPath.refused.add('a');
    server.push('cluster', [create(ClusterSchema, { name: 'a', altStatName: 'new' })]);
    await answered(server, 'cluster', 2);
    const entry = configuration.table.get('cluster', 'a');
    assert.equal(entry?.active?.version, 'v1');
    assert.equal(entry?.refused?.version, 'v2');
  });

  test('removals reach the data path, and what only they named is dropped', async (t) => {
    const { server, dataPath } = rig(t);
    dataPath.needs.set('web', { routes: [fromAds('r')] });
    server.push('cluster', [edsCluster('a')]);
    server.push('endpoint', [endpoints('a')]);
    server.push('listener', [listener('web')]);
    await eventually(() => assert.deepEqual(server.of('route')[0]?.resourceNamesSubscribe, ['r']));
    server.push('endpoint', [endpoints('a')]);
    server.push('route', [routes('r')]);
    await eventually(() => assert.equal(dataPath.events.at(-1), 'install listener web'));
    server.push('listener', [], ['web']);
    server.push('cluster', [], ['a']);
    await eventually(() => assert.ok(dataPath.events.includes('remove cluster a')));
    assert.ok(dataPath.events.includes('remove listener web'));
    await eventually(() => assert.ok(dataPath.events.includes('remove routes r')));
    await eventually(() => assert.ok(dataPath.events.includes('forget endpoints a')));
    await eventually(() => assert.deepEqual(server.of('endpoint').at(-1)?.resourceNamesUnsubscribe, ['a']));
  });
});

describe('reconnection', () => {
  test('says which versions it holds, and keeps them in force', async (t) => {
    const { server, dataPath, metrics } = rig(t);
    server.push('cluster', [create(ClusterSchema, { name: 'a' })]);
    await answered(server, 'cluster', 1);
    const connected = metrics
      .scope({ path: 'control_plane', family: 'control_plane', labels: {} })
      .gauge('connected_state');
    assert.equal(connected.value, 1);
    server.connections[0]!.end({ code: 14, detail: 'gone' });
    await eventually(() => assert.equal(connected.value, 0));
    await eventually(() => assert.equal(server.connections.length, 2));
    const again = await eventually(() => {
      const found = server
        .of('cluster')
        .find(({ initialResourceVersions }) => initialResourceVersions.a === 'v1');
      assert.ok(found);
      return found;
    });
    assert.equal(again.node?.id, 'test', 'the first request of a connection says who asks');
    assert.deepEqual(dataPath.events, ['install cluster a']);
  });
});

describe('names of DNS', () => {
  const names = (ip: string): NameTable => create(NameTableSchema, { table: { 'a.example': { ips: [ip] } } });

  test('are asked for by nobody who does not answer them', async (t) => {
    const { server } = rig(t);
    server.push('cluster', []);
    await answered(server, 'cluster', 1);
    assert.deepEqual(server.of('nameTable'), []);
  });

  test('come with the first configuration, and whole each time', async (t) => {
    const adopted: (string | undefined)[] = [];
    const { server, complete } = rig(t, undefined, function* ({ table }) {
      yield;
      adopted.push(table['a.example']?.ips[0]);
      return [];
    });
    server.push('cluster', []);
    server.push('listener', []);
    await answered(server, 'listener', 1);
    assert.equal(complete(), false);
    server.push('nameTable', [names('10.0.0.1')]);
    await answered(server, 'nameTable', 1);
    assert.equal(complete(), true);
    server.push('nameTable', [names('10.0.0.2')]);
    await answered(server, 'nameTable', 2);
    assert.deepEqual(adopted, ['10.0.0.1', '10.0.0.2']);
    assert.ok(server.of('nameTable').every(({ errorDetail }) => errorDetail === undefined));
  });

  test('of a server that knows none are not waited for longer than for the rest', async (t) => {
    const { server, complete } = rig(t, 30, () => assert.fail('there are none'));
    server.push('cluster', []);
    server.push('listener', []);
    await eventually(() => assert.equal(complete(), true));
  });
});
