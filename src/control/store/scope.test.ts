/** How much of a mesh reaches a proxy: what its Sidecar does not ask for costs it not a byte. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { loadDocuments } from '#model/load.ts';
import { ClusterSchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { NodeSchema } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { ClusterLoadAssignmentSchema } from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import { NameTableSchema } from '#xds/gen/istio/networking/nds/v1/nds_pb.js';
import { proxyNode } from '../translate/node.ts';
import { buildSnapshot, type ProxySnapshot } from '../translate/snapshot.ts';
import { indexResources, type ResourceIndex } from './resource-index.ts';
import { exportedScope, sidecarScope } from './scope.ts';

const service = (name: string, namespace: string, more = ''): string =>
  `{apiVersion: v1, kind: Service, metadata: {name: ${name}, namespace: ${namespace}${more}}, spec: {selector: {app: x}, ports: [{name: http, port: 80}]}}`;
const rule = (name: string, namespace: string): string =>
  `{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: ${name}, namespace: ${namespace}}, spec: {host: ${name}, subsets: [{name: v1}]}}`;
const route = (name: string, namespace: string): string =>
  `{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: ${name}, namespace: ${namespace}}, spec: {hosts: [${name}], http: [{route: [{destination: {host: ${name}}}]}]}}`;

/** Each service of it has a rule and routes. */
const namespaceOf = (namespace: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `s${i}`).flatMap((name) =>
    [service, rule, route].map((make) => make(name, namespace)),
  );

const indexOf = (...documents: string[]): ResourceIndex =>
  indexResources(loadDocuments([{ file: 'x', text: documents.join('\n---\n') }]).resources);

const sidecar = (hosts: string): string =>
  `{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: x, namespace: own}, spec: {egress: [{hosts: ${hosts}}]}}`;

function snapshotFor(index: ResourceIndex, namespace = 'own'): ProxySnapshot {
  const node = proxyNode(
    create(NodeSchema, { id: `sidecar~127.0.0.1~p.${namespace}~${namespace}.svc.cluster.local` }),
  );
  assert.ok(node.ok);
  return buildSnapshot(index, node.value);
}

function bytesOf({ clusters, endpoints, listeners, routes, names }: ProxySnapshot): number {
  const all = [
    ...clusters.map((one) => toBinary(ClusterSchema, one)),
    ...endpoints.map((one) => toBinary(ClusterLoadAssignmentSchema, one)),
    ...listeners.map((one) => toBinary(ListenerSchema, one)),
    ...routes.map((one) => toBinary(RouteConfigurationSchema, one)),
    ...(names === undefined ? [] : [toBinary(NameTableSchema, names)]),
  ];
  return all.reduce((sum, { length }) => sum + length, 0);
}

describe('what a Sidecar leaves', () => {
  const small = namespaceOf('own', 2);
  const large = [...small, ...namespaceOf('shop', 100)];

  test('of other namespaces nothing, and it costs nothing', () => {
    const imports = sidecar('["./*"]');
    assert.equal(
      bytesOf(snapshotFor(indexOf(...large, imports))),
      bytesOf(snapshotFor(indexOf(...small, imports))),
    );
    assert.ok(
      bytesOf(snapshotFor(indexOf(...large))) > 10 * bytesOf(snapshotFor(indexOf(...large, imports))),
    );
  });

  test('of another one host, with its subsets, routes and name', () => {
    const { clusters, routes, names } = snapshotFor(
      indexOf(...large, sidecar('["shop/s7.shop.svc.cluster.local"]')),
    );
    const outbound = clusters.map(({ name }) => name).filter((name) => name.startsWith('outbound'));
    assert.deepEqual(outbound.sort(), [
      'outbound|80|v1|s7.shop.svc.cluster.local',
      'outbound|80||s7.shop.svc.cluster.local',
    ]);
    const hosts = routes.flatMap(({ virtualHosts }) => virtualHosts.map(({ name }) => name));
    assert.deepEqual(hosts, ['s7.shop.svc.cluster.local:80', 'allow_any']);
    assert.deepEqual(Object.keys(names?.table ?? {}), ['s7.shop.svc.cluster.local']);
  });

  test('nothing at all', () => {
    const { clusters } = snapshotFor(indexOf(...large, sidecar('["~/*"]')));
    assert.deepEqual(
      clusters.map(({ name }) => name).filter((name) => name.startsWith('outbound')),
      [],
    );
  });
});

describe('which Sidecar a workload has', () => {
  const named = (name: string, namespace: string, labels = '{}'): string =>
    `{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: ${name}, namespace: ${namespace}}, spec: {workloadSelector: {labels: ${labels}}, egress: [{hosts: ["*/*"]}]}}`;
  const index = indexOf(
    named('mesh', 'istio-system'),
    named('of-root-alone', 'istio-system', '{app: x}'),
    named('space', 'own'),
    named('chosen', 'own', '{app: x}'),
    named('chosen-too', 'own', '{app: x}'),
  );
  const cases: [namespace: string, app: string, name: string][] = [
    ['own', 'x', 'chosen'],
    ['own', 'y', 'space'],
    ['other', 'x', 'mesh'],
    ['istio-system', 'x', 'of-root-alone'],
  ];
  for (const [namespace, app, name] of cases)
    test(`${app} of ${namespace}: ${name}`, () => {
      assert.equal(sidecarScope(index, { namespace, labels: { app } }).sidecar?.metadata.name, name);
    });
});

describe('what is exported', () => {
  const annotated = (exportTo: string): string =>
    `, annotations: {networking.istio.io/exportTo: ${JSON.stringify(exportTo)}}`;
  const index = indexOf(
    service('all', 'shop'),
    service('own', 'shop', annotated('.')),
    service('given', 'shop', annotated('own, third')),
    service('none', 'shop', annotated('~')),
  );
  const seenFrom = (namespace: string): string[] =>
    [...exportedScope(index, namespace).services.values()].map(({ metadata }) => metadata.name).sort();

  test('is what each namespace sees', () => {
    assert.deepEqual(seenFrom('shop'), ['all', 'own']);
    assert.deepEqual(seenFrom('own'), ['all', 'given']);
    assert.deepEqual(seenFrom('other'), ['all']);
  });

  test('namespaces that see the same share it', () => {
    assert.equal(exportedScope(index, 'own'), exportedScope(index, 'third'));
    const open = indexOf(service('all', 'shop'));
    assert.equal(exportedScope(open, 'own'), open);
  });
});
