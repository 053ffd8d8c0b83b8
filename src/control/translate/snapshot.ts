/**
 * All that one proxy is to know, from one state of the mesh. Pure: the same state and node give the
 * same messages; what several proxies need alike is the same object for all of them.
 */

import type { Problem } from '#core/problem.ts';
import type { Labels } from '#model/metadata.ts';
import type { Pod } from '#model/pod.ts';
import type { Cluster } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { TypedExtensionConfig } from '#xds/gen/envoy/config/core/v3/extension_pb.js';
import type { ClusterLoadAssignment } from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import type { RouteConfiguration } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import type { Secret } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import type { NameTable } from '#xds/gen/istio/networking/nds/v1/nds_pb.js';
import type { WorkloadGroup as WorkloadGroupMessage } from '#xds/gen/istio/networking/v1alpha3/workload_group_pb.js';
import type { Instance } from '../store/instance.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import { exportedScope, sidecarScope } from '../store/scope.ts';
import { bindInbound } from './bound-inbound.ts';
import { captureInbound } from './captured-inbound.ts';
import { captureOutbound } from './captured-outbound.ts';
import { withCredentials } from './client-credentials.ts';
import { unknownCluster } from './cluster.ts';
import { egressParts } from './egress.ts';
import { applyEnvoyFilters, type PatchReport } from './envoy-filter/apply.ts';
import { translateGateway } from './gateway.ts';
import { type GrpcTranslation, grpcServerListeners, translateGrpcClient } from './grpc.ts';
import { emptyAssignment } from './grpc-endpoint.ts';
import type { Caller } from './http-route.ts';
import { translateInbound } from './inbound.ts';
import { ingressSecrets } from './ingress-ports.ts';
import { emptyCluster } from './local-cluster.ts';
import { translateNames } from './name-table.ts';
import type { ProxyNode } from './node.ts';
import { translateOutbound } from './outbound.ts';
import { joinTables, sidecarRoutes } from './route-table.ts';
import type { ServiceClient } from './service-cluster.ts';
import { type ServiceCaller, type ServiceTable, serviceTable, viewOf } from './service-table.ts';
import { type Sidecar, type SidecarPart, sidecarOf } from './sidecar.ts';
import { translateGroup } from './workload-group.ts';

export interface ProxySnapshot {
  readonly clusters: readonly Cluster[];
  readonly endpoints: readonly ClusterLoadAssignment[];
  readonly listeners: readonly Listener[];
  readonly routes: readonly RouteConfiguration[];
  /** Certificates of gateways, and of callers that are to show one: for proxies that have shown who they are. */
  readonly secrets?: readonly Secret[];
  /** Of clients that answer DNS if they like. */
  readonly names?: NameTable;
  /** The group of the workload, where it says that it is of one. */
  readonly group?: WorkloadGroupMessage;
  /** Configurations of filters that are asked for by name. */
  readonly extensions?: readonly TypedExtensionConfig[];
  /** Of the translation; what could be translated was. */
  readonly problems: readonly Problem[];
  /** What came of EnvoyFilters; absent: none is for the proxy. */
  readonly patches?: PatchReport;
}

export function buildSnapshot(index: ResourceIndex, node: ProxyNode): ProxySnapshot {
  if (node.role === 'agent')
    return { ...nothing, names: scopeOf(index, node).names(), ...groupOf(index, node) };
  if (node.client === 'grpc') return grpcSnapshot(index, node);
  return node.role === 'router' ? gatewaySnapshot(index, node) : sidecarSnapshot(index, node);
}

/** @param labels of the workload */
function patched(made: ProxySnapshot, node: ProxyNode, labels: Labels, index: ResourceIndex): ProxySnapshot {
  return { ...made, ...applyEnvoyFilters(made, node, labels, index) };
}

/** The mode decides which listeners there are and where; what they are made of is the same. */
function sidecarSnapshot(index: ResourceIndex, node: ProxyNode): ProxySnapshot {
  const problems: Problem[] = [];
  const pod = knownPod(index, node, problems);
  const sidecar = sidecarOf(node, pod, index, problems);
  const { captured } = sidecar;
  const scoped = sharedTranslation(sidecar.scope.index);
  const services = scoped.services(
    captured ? 'captured' : 'proxy',
    serviceCaller(node, sidecar.labels, sidecar.instance),
  );
  const reader = { namespace: node.namespace, isGateway: false };
  const { clusters, secrets } = withCredentials(
    services.clusters,
    services.credentials,
    reader,
    index,
    problems,
  );
  const caller: Caller = { ...callerInMesh(node, sidecar.labels), captured };
  const egress = egressParts(sidecar, caller, (part) => sharedTranslation(part).routes(caller));
  const routes = joinTables(egress.map((part) => part.routes));
  const inbound = inboundOf(sidecar);
  const outbound = captured
    ? captureOutbound(sidecar, egress)
    : translateOutbound(sidecar, egress, routes, caller);
  const made = {
    clusters: [...clusters, ...inbound.clusters, ...outbound.clusters],
    endpoints: services.endpoints,
    secrets: [...secrets, ...ingressSecrets(sidecar)],
    listeners: [...inbound.listeners, ...outbound.listeners],
    routes,
    names: scoped.names(),
    ...groupOf(index, node),
    problems,
  };
  return patched(made, node, sidecar.labels, index);
}

function groupOf(index: ResourceIndex, { namespace, group: name }: ProxyNode): Pick<ProxySnapshot, 'group'> {
  const group = name === undefined ? undefined : index.group(namespace, name);
  return group === undefined ? {} : { group: translateGroup(group) };
}

function inboundOf(sidecar: Sidecar): SidecarPart {
  if (sidecar.node.bindsInbound) return bindInbound(sidecar);
  return sidecar.captured ? captureInbound(sidecar) : translateInbound(sidecar);
}

function gatewaySnapshot(whole: ResourceIndex, node: ProxyNode): ProxySnapshot {
  const index = exportedScope(whole, node.namespace);
  const shared = sharedTranslation(index);
  const problems: Problem[] = [];
  const pod = knownPod(index, node, problems);
  if (pod === undefined) return { ...nothing, problems };
  const services = shared.services(
    'gateway',
    serviceCaller(node, pod.metadata.labels, index.instanceOf(pod)),
  );
  const reader = { namespace: node.namespace, isGateway: true };
  const { clusters, secrets } = withCredentials(
    services.clusters,
    services.credentials,
    reader,
    index,
    problems,
  );
  const edge = translateGateway({ pod, node, index, clusters, problems });
  const made = {
    ...edge,
    clusters: [...clusters, emptyCluster, ...edge.clusters],
    endpoints: services.endpoints,
    secrets: [...new Map([...edge.secrets, ...secrets].map((secret) => [secret.name, secret])).values()],
    names: shared.names(),
    problems,
  };
  return patched(made, node, pod.metadata.labels, index);
}

function grpcSnapshot(index: ResourceIndex, node: ProxyNode): ProxySnapshot {
  const problems: Problem[] = [];
  const pod = knownPod(index, node, problems);
  const shared = scopeOf(index, node);
  const { clusters, endpoints } = shared.services(
    'grpc',
    serviceCaller(node, pod?.metadata.labels ?? node.labels, pod && index.instanceOf(pod)),
  );
  const client = shared.grpc(callerInMesh(node, pod?.metadata.labels ?? node.labels));
  const server = pod === undefined ? [] : grpcServerListeners(pod, node, index);
  const known = new Set(clusters.map(({ name }) => name));
  const unknown = client.clusters.filter((name) => !known.has(name));
  return {
    clusters: [...clusters, ...unknown.map(unknownCluster)],
    endpoints: [...endpoints, ...unknown.map(emptyAssignment)],
    listeners: [...client.listeners, ...server],
    routes: client.routes,
    problems: [...problems, ...client.problems],
  };
}

/** What a workload is told of that has no listeners of a sidecar. */
function scopeOf(index: ResourceIndex, { namespace, podName, labels }: ProxyNode): SharedTranslation {
  const pod = index.pod(namespace, podName);
  return sharedTranslation(sidecarScope(index, { namespace, labels: pod?.metadata.labels ?? labels }).index);
}

const nothing: ProxySnapshot = { clusters: [], endpoints: [], listeners: [], routes: [], problems: [] };

function knownPod(index: ResourceIndex, node: ProxyNode, problems: Problem[]): Pod | undefined {
  const pod = index.pod(node.namespace, node.podName);
  const isPod = node.registration === undefined && node.group === undefined;
  if (pod === undefined && isPod) {
    const message = `no Pod ${node.namespace}/${node.podName} is known, so nothing is configured for its own ports`;
    problems.push({ level: 'warning', message, resource: node.id });
  }
  return pod;
}

function callerInMesh(node: ProxyNode, labels: Labels): Caller {
  return { gateways: new Set(['mesh']), namespace: node.namespace, labels, client: node.client };
}

/** What the node tells of itself holds where nobody has told of the instance. */
function serviceCaller(
  { namespace, locality = '' }: ProxyNode,
  labels: Labels,
  instance: Instance | undefined,
): ServiceCaller {
  return { namespace, labels, locality: instance?.locality || locality };
}

/** What proxies of one state of the mesh have in common, made when it is first asked for. */
class SharedTranslation {
  readonly #index: ResourceIndex;
  readonly #services = new Map<string, ServiceTable>();
  readonly #routes = new Map<string, readonly RouteConfiguration[]>();
  readonly #grpc = new Map<string, GrpcTranslation>();
  #names: NameTable | undefined;
  /** Names of labels that some VirtualService asks callers for. */
  readonly #callerLabels: readonly string[];

  constructor(index: ResourceIndex) {
    this.#index = index;
    const asked = index.virtualServices.flatMap(({ spec: { http, tls, tcp } }) =>
      [...http, ...tls, ...tcp].flatMap(({ match }) =>
        match.flatMap(({ sourceLabels }) => Object.keys(sourceLabels)),
      ),
    );
    this.#callerLabels = [...new Set(asked)].sort();
  }

  services(client: ServiceClient, caller: ServiceCaller): ServiceTable {
    const key = `${client} ${viewOf(this.#index, caller)}`;
    return remember(this.#services, key, () => serviceTable(this.#index, client, caller));
  }

  /** Of all ports, and of the HTTP proxy. */
  routes(caller: Caller): readonly RouteConfiguration[] {
    return remember(this.#routes, this.#keyOf(caller), () => sidecarRoutes(caller, this.#index));
  }

  grpc(caller: Caller): GrpcTranslation {
    return remember(this.#grpc, this.#keyOf(caller), () => translateGrpcClient(caller, this.#index));
  }

  names(): NameTable {
    this.#names ??= translateNames(this.#index);
    return this.#names;
  }

  /** Callers of one key get the same routes. */
  #keyOf({ client, captured = false, namespace, labels }: Caller): string {
    return JSON.stringify([
      client,
      captured,
      namespace,
      this.#index.policyViewOf({ namespace, labels }),
      ...this.#callerLabels.map((name) => labels[name] ?? null),
    ]);
  }
}

const sharedByIndex = new WeakMap<ResourceIndex, SharedTranslation>();

function sharedTranslation(index: ResourceIndex): SharedTranslation {
  return remember(sharedByIndex, index, () => new SharedTranslation(index));
}

function remember<Key, Value>(
  map: { get(key: Key): Value | undefined; set(key: Key, value: Value): unknown },
  key: Key,
  make: () => Value,
): Value {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
