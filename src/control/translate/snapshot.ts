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
import type { VirtualHost } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
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
import { egressParts, egressRoutes } from './egress.ts';
import { applyEnvoyFilters, type PatchReport } from './envoy-filter/apply.ts';
import { translateGateway } from './gateway.ts';
import { type GrpcTranslation, grpcServerListeners, translateGrpcClient } from './grpc.ts';
import { emptyAssignment } from './grpc-endpoint.ts';
import type { Caller } from './http-route.ts';
import { translateInbound } from './inbound.ts';
import { ingressSecrets } from './ingress-ports.ts';
import { kept } from './kept.ts';
import { emptyCluster } from './local-cluster.ts';
import { translateNames } from './name-table.ts';
import type { ProxyNode } from './node.ts';
import { translateOutbound } from './outbound.ts';
import { joinTables, type NamedRoutes, sidecarRoutes } from './route-table.ts';
import type { ServiceClient } from './service-cluster.ts';
import { type ServiceCaller, type ServiceTable, serviceTable, viewOf } from './service-table.ts';
import { type Sidecar, type SidecarPart, sidecarOf } from './sidecar.ts';
import { splitRoutes } from './virtual-host-discovery.ts';
import { translateGroup } from './workload-group.ts';

export interface ProxySnapshot {
  readonly clusters: readonly Cluster[];
  readonly endpoints: readonly ClusterLoadAssignment[];
  readonly listeners: readonly Listener[];
  readonly routes: readonly RouteConfiguration[];
  /** What `clusters` and `endpoints` begin with: the same object for all who get the same, and while it is the same. */
  readonly services?: Pick<ServiceTable, 'clusters' | 'endpoints'>;
  /** Certificates of gateways, and of callers that are to show one: for proxies that have shown who they are. */
  readonly secrets?: readonly Secret[];
  /** Of these routes, for clients that get them one by one; absent: routes are whole. */
  readonly virtualHosts?: readonly VirtualHost[];
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
  const changed = applyEnvoyFilters(made, node, labels, index);
  if (changed === undefined) return { ...made, ...routesFor(node, made.routes) };
  // What services have in common is no longer what the proxy's clusters begin with.
  const { services: _, ...own } = made;
  return { ...own, ...changed, ...routesFor(node, changed.routes) };
}

/** The mode decides which listeners there are and where; what they are made of is the same. */
function sidecarSnapshot(index: ResourceIndex, node: ProxyNode): ProxySnapshot {
  const sidecar = sidecarOf(node, knownPod(index, node, []), index, []);
  const { captured } = sidecar;
  const scoped = sharedTranslation(sidecar.scope.index);
  const table = scoped.services(
    captured ? 'captured' : 'proxy',
    serviceCaller(node, sidecar.labels, sidecar.instance),
  );
  const services = servicesFor(node, table, index);
  const caller: Caller = { ...callerInMesh(node, sidecar.labels), captured };
  const egress = egressRoutes(sidecar, caller, (part) => sharedTranslation(part).routes(caller));
  const routes = joinTables(egress);
  const own = ownPart(node, scoped.standIn(caller), egress, index);
  const made = {
    clusters: together(services.clusters, own.clusters),
    endpoints: services.endpoints,
    services,
    secrets: [...services.secrets, ...own.secrets],
    listeners: own.listeners,
    routes,
    names: scoped.names(),
    ...groupOf(index, node),
    problems: [...own.problems, ...services.problems],
  };
  return patched(made, node, sidecar.labels, index);
}

interface Together {
  readonly shared: readonly Cluster[];
  readonly all: readonly Cluster[];
}

const joined = new WeakMap<readonly Cluster[], Together>();

/** The same list for the same two. */
function together(shared: readonly Cluster[], own: readonly Cluster[]): readonly Cluster[] {
  const known = joined.get(own);
  if (known?.shared === shared) return known.all;
  const all = [...shared, ...own];
  joined.set(own, { shared, all });
  return all;
}

/** Of its routes it uses no more than the names: who is told of others has nothing new of his own. */
function ownPart(
  node: ProxyNode,
  caller: Caller,
  egress: readonly (readonly RouteConfiguration[])[],
  index: ResourceIndex,
): SidecarPart & Pick<ProxySnapshot, 'problems'> & { readonly secrets: readonly Secret[] } {
  const named = egress.map((routes) => routes.map(({ name }) => ({ name })));
  return kept(node, 'own', [caller, JSON.stringify(named)], index, (watched) => {
    const problems: Problem[] = [];
    const sidecar = sidecarOf(node, knownPod(watched, node, problems), watched, problems);
    const parts = egressParts(sidecar, named);
    const inbound = inboundOf(sidecar);
    const outbound = sidecar.captured
      ? captureOutbound(sidecar, parts)
      : translateOutbound(sidecar, parts, namesOf(named), caller);
    return {
      clusters: [...inbound.clusters, ...outbound.clusters],
      listeners: [...inbound.listeners, ...outbound.listeners],
      secrets: ingressSecrets(sidecar),
      problems,
    };
  });
}

interface OwnServices {
  readonly clusters: ServiceTable['clusters'];
  readonly endpoints: ServiceTable['endpoints'];
  readonly secrets: readonly Secret[];
  readonly problems: readonly Problem[];
}

/** Services as one proxy gets them: those closed that need a Secret which it has not. */
function servicesFor(node: ProxyNode, table: ServiceTable, index: ResourceIndex): OwnServices {
  const { clusters, endpoints, credentials } = table;
  if (credentials.length === 0) return { clusters, endpoints, secrets: [], problems: [] };
  return kept(node, 'services', [clusters, endpoints, credentials], index, (watched) => {
    const problems: Problem[] = [];
    const reader = { namespace: node.namespace, isGateway: node.role === 'router' };
    return { endpoints, ...withCredentials(clusters, credentials, reader, watched, problems), problems };
  });
}

/** As {@link joinTables} joins them. */
function namesOf(egress: readonly (readonly NamedRoutes[])[]): readonly NamedRoutes[] {
  return [...new Map(egress.flat().map((table) => [table.name, table])).values()];
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
  const table = shared.services('gateway', serviceCaller(node, pod.metadata.labels, index.instanceOf(pod)));
  const services = servicesFor(node, table, index);
  const { clusters } = services;
  const edge = kept(node, 'edge', [pod, clusters], index, (watched) => {
    const found: Problem[] = [];
    return { ...translateGateway({ pod, node, index: watched, clusters, problems: found }), problems: found };
  });
  const made = {
    clusters: [...clusters, emptyCluster, ...edge.clusters],
    endpoints: services.endpoints,
    services,
    listeners: edge.listeners,
    routes: edge.routes,
    secrets: [...new Map([...edge.secrets, ...services.secrets].map((one) => [one.name, one])).values()],
    names: shared.names(),
    problems: [...services.problems, ...edge.problems],
  };
  return patched(made, node, pod.metadata.labels, index);
}

/** gRPC knows no virtual hosts by themselves, and nobody does who does not ask by delta. */
function routesFor(
  { byDelta = false, client }: ProxyNode,
  routes: readonly RouteConfiguration[],
): Pick<ProxySnapshot, 'routes' | 'virtualHosts'> {
  return byDelta && client !== 'grpc' ? splitRoutes(routes) : { routes };
}

function grpcSnapshot(index: ResourceIndex, node: ProxyNode): ProxySnapshot {
  const problems: Problem[] = [];
  const pod = knownPod(index, node, problems);
  const shared = scopeOf(index, node);
  const services = shared.services(
    'grpc',
    serviceCaller(node, pod?.metadata.labels ?? node.labels, pod && index.instanceOf(pod)),
  );
  const client = shared.grpc(callerInMesh(node, pod?.metadata.labels ?? node.labels));
  const server = pod === undefined ? [] : grpcServerListeners(pod, node, index);
  const { clusters, endpoints } = services;
  const known = new Set(clusters.map(({ name }) => name));
  const unknown = client.clusters.filter((name) => !known.has(name));
  return {
    clusters: [...clusters, ...unknown.map(unknownCluster)],
    endpoints: [...endpoints, ...unknown.map(emptyAssignment)],
    services,
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
  readonly #routes = new Map<Caller, readonly RouteConfiguration[]>();
  readonly #grpc = new Map<Caller, GrpcTranslation>();
  #names: NameTable | undefined;

  constructor(index: ResourceIndex) {
    this.#index = index;
  }

  services(client: ServiceClient, caller: ServiceCaller): ServiceTable {
    const view = (one: ServiceCaller): string => viewOf(this.#index, one);
    return remember(this.#services, `${client} ${view(caller)}`, () =>
      serviceTable(this.#index, client, this.#standIn('of services', caller, view)),
    );
  }

  /** Of all ports, and of the HTTP proxy. */
  routes(caller: Caller): readonly RouteConfiguration[] {
    const one = this.standIn(caller);
    return remember(this.#routes, one, () =>
      kept(one, 'routes', [], this.#index, (watched) => sidecarRoutes(one, watched)),
    );
  }

  grpc(caller: Caller): GrpcTranslation {
    const one = this.standIn(caller);
    return remember(this.#grpc, one, () =>
      kept(one, 'grpc', [], this.#index, (watched) => translateGrpcClient(one, watched)),
    );
  }

  names(): NameTable {
    this.#names ??= kept(this.#index.derived.anchor, 'names', [], this.#index, translateNames);
    return this.#names;
  }

  /** One of the callers that get the same routes: the same as in the state before, where it is still one of them. */
  standIn(caller: Caller): Caller {
    return this.#standIn('of routes', caller, (one) => this.#keyOf(one));
  }

  /** @param keyOf what callers get for whom one may stand depends on nothing else of them */
  #standIn<Any extends ServiceCaller | Caller>(what: string, caller: Any, keyOf: (one: Any) => string): Any {
    const key = keyOf(caller);
    return this.#index.derived.next<Any>(`caller ${what} ${key}`, (before) =>
      before !== undefined && keyOf(before) === key ? before : caller,
    );
  }

  #keyOf({ client, captured = false, namespace, labels }: Caller): string {
    return JSON.stringify([
      client,
      captured,
      namespace,
      this.#index.policyViewOf({ namespace, labels }),
      ...labelsAsked(this.#index).map((name) => [name, labels[name] ?? null]),
    ]);
  }
}

/** Names of labels that some VirtualService asks callers for. */
function labelsAsked({ derived, virtualServices }: ResourceIndex): readonly string[] {
  return derived.value('labels asked', [virtualServices], () => {
    const asked = virtualServices.flatMap(({ spec: { http, tls, tcp } }) =>
      [...http, ...tls, ...tcp].flatMap(({ match }) =>
        match.flatMap(({ sourceLabels }) => Object.keys(sourceLabels)),
      ),
    );
    return [...new Set(asked)].sort();
  });
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
