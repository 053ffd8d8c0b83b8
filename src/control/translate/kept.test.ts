/** What is kept from one state of the mesh to the next is what would be made anew. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { type KeptDocuments, loadDocuments, type SourceText } from '#model/load.ts';
import { ClusterSchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { NodeSchema } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { ClusterLoadAssignmentSchema } from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import { VirtualHostSchema } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import { RouteConfigurationSchema } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import { SecretSchema } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { NameTableSchema } from '#xds/gen/istio/networking/nds/v1/nds_pb.js';
import {
  addressOf,
  type LargeMesh,
  manifestOf,
  placeOf,
  podName,
  podOf,
} from '../../../test/support/large-mesh.ts';
import { meshChanges } from '../../../test/support/mesh-changes.ts';
import { MeshStore } from '../store/mesh-store.ts';
import { indexResources, type ResourceIndex } from '../store/resource-index.ts';
import { type ProxyNode, proxyNode } from './node.ts';
import { buildSnapshot } from './snapshot.ts';

/** The last two are of the namespaces of the first two. */
const mesh: LargeMesh = { services: 12, endpoints: 2 };
/** Those to which things happen. */
const CHANGED = 6;

function nodeOf(
  service: number,
  userAgentName: string,
  { role = 'sidecar', ...metadata }: Record<string, string>,
): ProxyNode {
  const { namespace } = placeOf(service);
  const name = `${podName(service, 0)}.${namespace}`;
  const id = `${role}~${addressOf(service, 0)}~${name}~${namespace}.svc.cluster.local`;
  const node = proxyNode(
    create(NodeSchema, { id, userAgentName, metadata: { NAMESPACE: namespace, ...metadata } }),
  );
  assert.ok(node.ok);
  return { ...node.value, byDelta: metadata.GENERATOR === undefined };
}

const nodes = [
  nodeOf(0, 'heddle', { INTERCEPTION_MODE: 'REDIRECT' }),
  nodeOf(1, 'heddle', { INTERCEPTION_MODE: 'NONE' }),
  nodeOf(2, 'envoy', { INTERCEPTION_MODE: 'REDIRECT' }),
  nodeOf(3, 'grpc', { GENERATOR: 'grpc' }),
  nodeOf(4, 'heddle', { role: 'router' }),
  nodeOf(5, 'heddle', { INTERCEPTION_MODE: 'REDIRECT' }),
  nodeOf(10, 'heddle', { INTERCEPTION_MODE: 'NONE' }),
];

/** Everything a node gets, as bytes. */
function shown(index: ResourceIndex, node: ProxyNode): Record<string, string> {
  const {
    clusters,
    endpoints,
    listeners,
    routes,
    virtualHosts = [],
    secrets = [],
    names,
    problems,
  } = buildSnapshot(index, node);
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
  return Object.fromEntries([
    ...clusters.map((one) => [`cluster ${one.name}`, hex(toBinary(ClusterSchema, one))]),
    ...endpoints.map((one) => [
      `endpoint ${one.clusterName}`,
      hex(toBinary(ClusterLoadAssignmentSchema, one)),
    ]),
    ...listeners.map((one) => [`listener ${one.name}`, hex(toBinary(ListenerSchema, one))]),
    ...routes.map((one) => [`route ${one.name}`, hex(toBinary(RouteConfigurationSchema, one))]),
    ...virtualHosts.map((one) => [`virtual host ${one.name}`, hex(toBinary(VirtualHostSchema, one))]),
    ...secrets.map((one) => [`secret ${one.name}`, hex(toBinary(SecretSchema, one))]),
    ['names', names === undefined ? '' : hex(toBinary(NameTableSchema, names))],
    ['problems', JSON.stringify(problems.map(({ message }) => message))],
  ]);
}

type Edit = {
  readonly of: 'manifest' | 'beside' | 'without' | 'pod' | 'gone';
  readonly service: number;
  readonly turn: number;
};

/** A few services, and a few changes that are next to each other: of one document there are several. */
const edits: fc.Arbitrary<Edit[]> = fc
  .record({
    services: fc.uniqueArray(fc.integer({ min: 0, max: CHANGED - 1 }), { minLength: 1, maxLength: 3 }),
    first: fc.integer({ min: 0, max: meshChanges.length - 2 }),
    count: fc.integer({ min: 2, max: 6 }),
  })
  .map(({ services, first, count }) => ({
    services,
    turns: meshChanges.map((_, turn) => turn).slice(first, first + count),
  }))
  .chain(({ services, turns }) =>
    fc.array(
      fc.record({
        of: fc.constantFrom<Edit['of']>(
          ...(['manifest', 'beside', 'beside', 'beside', 'beside', 'without', 'pod', 'gone'] as const),
        ),
        service: fc.constantFrom(...services),
        turn: fc.constantFrom(...turns),
      }),
      { minLength: 1, maxLength: 24 },
    ),
  );

class World {
  readonly files = new Map<string, SourceText>();
  readonly #kept: KeptDocuments = new WeakMap();
  readonly #store = new MeshStore();

  constructor() {
    for (let service = 0; service < mesh.services; service++) {
      this.#put(`service ${service}`, manifestOf(service));
      for (let instance = 0; instance < mesh.endpoints; instance++)
        this.#put(`pod ${service} ${instance}`, JSON.stringify(podOf(service, instance)));
    }
    this.load();
  }

  #put(file: string, text: string): void {
    this.files.set(file, { file, text });
  }

  edit({ of, service, turn }: Edit): void {
    if (of === 'manifest') this.#put(`service ${service}`, manifestOf(service, `said-${turn}`));
    else if (of === 'beside') this.#put(...this.#beside(service, turn));
    else if (of === 'without') this.files.delete(this.#beside(service, turn)[0]);
    else if (of === 'pod') {
      const written = JSON.stringify(podOf(service, 1, `10.9.9.${turn + 1}`));
      const pod = turn % 3 === 0 ? written : written.replace('"spec":{', '"spec":{"nodeName":"one",');
      this.#put(`pod ${service} 1`, turn === 0 ? pod.replace('"True"', '"False"') : pod);
    } else this.files.delete(turn % 2 === 0 ? `pod ${service} 0` : `service ${service}`);
  }

  /** One of each kind and name. */
  #beside(service: number, turn: number): [file: string, text: string] {
    const text = meshChanges[turn]?.(service) ?? '';
    const [kind] = /^kind: \w+$/m.exec(text) ?? [];
    const [name] = /^metadata: .*?name: \S+/m.exec(text) ?? [];
    return [`${kind} ${name}`, text];
  }

  /** As the control plane takes them over. */
  load(): ResourceIndex {
    this.#store.update('files', loadDocuments([...this.files.values()], { kept: this.#kept }));
    return this.#store.index;
  }
}

describe('what is kept', () => {
  test('is what would be made anew, whatever changes', () => {
    fc.assert(
      fc.property(edits, (all) => {
        const world = new World();
        // All of the one first: both share what is kept.
        const states = all.map((edit) => {
          world.edit(edit);
          const index = world.load();
          return { files: [...world.files.values()], shown: nodes.map((node) => shown(index, node)) };
        });
        for (const { files, shown: kept } of states) {
          const anew = indexResources(loadDocuments(files.map((one) => ({ ...one }))).resources);
          assert.deepEqual(
            kept,
            nodes.map((node) => shown(anew, { ...node })),
          );
        }
      }),
      { numRuns: 10 },
    );
  });

  test('is all but one virtual host where one VirtualService changes, and all but its endpoints where an instance does', () => {
    const world = new World();
    const [node] = nodes;
    assert.ok(node !== undefined);
    const before = buildSnapshot(world.load(), node);
    world.edit({ of: 'manifest', service: 2, turn: 1 });
    const routed = buildSnapshot(world.load(), node);
    assert.equal(routed.services?.clusters, before.services?.clusters);
    assert.equal(routed.endpoints, before.endpoints);
    assert.equal(routed.listeners, before.listeners);
    const hosts = new Set(before.virtualHosts);
    const changed = routed.virtualHosts?.filter((host) => !hosts.has(host)).map(({ name }) => name);
    assert.deepEqual(changed, ['9080/shop-00002.team-2.svc.cluster.local:9080']);
    world.edit({ of: 'pod', service: 1, turn: 3 });
    const moved = buildSnapshot(world.load(), node);
    assert.equal(moved.services?.clusters, before.services?.clusters);
    assert.equal(moved.virtualHosts, routed.virtualHosts);
    assert.equal(moved.listeners, before.listeners);
    const assignments = new Set(before.endpoints);
    assert.deepEqual(
      moved.endpoints.filter((one) => !assignments.has(one)).map(({ clusterName }) => clusterName),
      ['outbound|8080||shop-00001.team-1.svc.cluster.local'],
    );
  });
});
