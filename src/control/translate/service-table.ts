/**
 * Clusters and endpoints of all services. They are the same for every proxy of one kind of client and
 * one namespace, so they are made once for each state of the mesh and shared.
 */
import { isSameList } from '#core/same-list.ts';
import type { DestinationRule } from '#model/destination-rule.ts';
import type { MeshSettings } from '#model/mesh-settings.ts';
import type { ResiliencePolicy } from '#model/resilience-policy.ts';
import type { Cluster } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { ClusterLoadAssignment } from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { type MeshService, serviceHost } from '../store/mesh-service.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import { type CredentialUse, credentialUse } from './client-credentials.ts';
import { type OutboundTarget, targetName, targetPolicy, targetPreference } from './cluster.ts';
import { translateEndpoints } from './endpoint.ts';
import { emptyAssignment, grpcAssignment } from './grpc-endpoint.ts';
import { kept } from './kept.ts';
import { type NamespaceServices, namespacesOf } from './namespace-services.ts';
import { type CallerPlace, dependsOnPlace, preferenceOf } from './placement.ts';
import { withMeshDefaults } from './policy-merge.ts';
import { type ServiceClient, serviceCluster } from './service-cluster.ts';
import { meshPorts } from './virtual-host.ts';

export interface ServiceTable {
  readonly clusters: readonly Cluster[];
  readonly endpoints: readonly ClusterLoadAssignment[];
  /** Those of the clusters that need a Secret of their caller. */
  readonly credentials: readonly CredentialUse[];
}

/** Who calls services: policies may be for it alone, and endpoints near to it come first. */
export interface ServiceCaller extends CallerPlace {
  readonly namespace: string;
}

/** @param caller who stands for all that have the same view: what is made for it is kept while it is the same object */
export function serviceTable(
  index: ResourceIndex,
  client: ServiceClient,
  caller: ServiceCaller,
): ServiceTable {
  const place = placeOf(caller, index);
  return kept(caller, `services ${client}`, [place], index, (watched, before: ServiceTable | undefined) => {
    const seen = kept(caller, 'seen', [], watched, (of) => namespacesSeen(of, caller));
    return joinTables(
      seen.map((one) => tableOf(one, client, place, watched)),
      before,
      watched,
    );
  });
}

/**
 * One table of several: the same object, with the same lists, as before or for somebody else of this state, where it
 * holds the same.
 */
function joinTables(
  tables: readonly ServiceTable[],
  before: ServiceTable | undefined,
  { derived }: ResourceIndex,
): ServiceTable {
  const made = derived.next<ServiceTable[]>('service tables', () => []);
  const known = before === undefined ? made : [before, ...made];
  const clusters = firstSame(
    tables.flatMap((one) => one.clusters),
    known.map((one) => one.clusters),
  );
  const endpoints = firstSame(
    tables.flatMap((one) => one.endpoints),
    known.map((one) => one.endpoints),
  );
  const credentials = firstSame(
    tables.flatMap((one) => one.credentials),
    known.map((one) => one.credentials),
  );
  const same = known.find(
    (one) => one.clusters === clusters && one.endpoints === endpoints && one.credentials === credentials,
  );
  if (same !== undefined) return same;
  const table = { clusters, endpoints, credentials };
  made.push(table);
  return table;
}

function firstSame<Value>(list: readonly Value[], known: readonly (readonly Value[])[]): readonly Value[] {
  return known.find((one) => isSameList(one, list)) ?? list;
}

/** Services of one namespace with the policies that some callers see: the same object for all of them. */
interface SeenNamespace {
  readonly name: string;
  readonly services: readonly SeenService[];
}

/** A service with the policies that some callers see: the same object for all of them. */
interface SeenService {
  readonly service: MeshService;
  /** Every port, and every subset of each. */
  readonly targets: readonly OutboundTarget[];
  readonly rule: DestinationRule | undefined;
  /** For each of the targets. */
  readonly resilience: readonly (ResiliencePolicy | undefined)[];
}

const seenAs = new WeakMap<MeshService, readonly SeenService[]>();

/** Callers may see a service in different ways; more than so many are not remembered. */
const MAX_SEEN = 16;

const namespacesSeenAs = new WeakMap<NamespaceServices, readonly SeenNamespace[]>();

function namespacesSeen(index: ResourceIndex, caller: ServiceCaller): readonly SeenNamespace[] {
  return namespacesOf(index).map((namespace) => {
    const { name, hosts } = namespace;
    const services = namespace.services.map((one, at) => serviceSeen(one, hosts[at] ?? '', caller, index));
    const known = namespacesSeenAs.get(namespace) ?? [];
    const same = known.find((one) => isSameList(one.services, services));
    if (same !== undefined) return same;
    const seen = { name, services };
    namespacesSeenAs.set(namespace, [seen, ...known].slice(0, MAX_SEEN));
    return seen;
  });
}

function serviceSeen(
  service: MeshService,
  host: string,
  caller: ServiceCaller,
  index: ResourceIndex,
): SeenService {
  const rule = index.destinationRuleFor(host, caller);
  const parts = meshPorts(service).flatMap((port) =>
    [undefined, ...(rule?.spec.subsets ?? [])].map((subset) => ({ port, subset })),
  );
  const resilience = parts.map(({ port, subset }) =>
    index.resilienceFor(host, port.port, subset?.name, caller),
  );
  const known = seenAs.get(service) ?? [];
  const same = known.find((one) => one.rule === rule && isSameList(one.resilience, resilience));
  if (same !== undefined) return same;
  const targets = parts.map((part, at) => ({ service, rule, ...part, resilience: resilience[at] }));
  const seen = { service, targets, rule, resilience };
  seenAs.set(service, [seen, ...known].slice(0, MAX_SEEN));
  return seen;
}

interface MadeTarget {
  readonly cluster: Cluster;
  /** Absent: its endpoints do not come by EDS. */
  readonly assignment?: ClusterLoadAssignment;
  /** Absent: it needs no Secret. */
  readonly use: CredentialUse | undefined;
}

const anywhere: CallerPlace = { locality: '', labels: {} };

/** What does not depend on the caller is the same for all. */
function tableOf(
  { name, services }: SeenNamespace,
  client: ServiceClient,
  place: CallerPlace,
  index: ResourceIndex,
): ServiceTable {
  const isForAll = !services.some((one) => isNear(one, index.settings));
  const [of, what] = isForAll ? [services, client] : [place, `${client} ${name}`];
  return kept(of, what, [services], index, (watched, before: ServiceTable | undefined) => {
    const made = services.flatMap((one) => madeOf(one, client, place, watched));
    const table: ServiceTable = {
      clusters: made.map(({ cluster }) => cluster),
      endpoints: made.flatMap(({ assignment }) => assignment ?? []),
      credentials: made.flatMap(({ use }) => use ?? []),
    };
    return joinTables([table], before, watched);
  });
}

function madeOf(
  seen: SeenService,
  client: ServiceClient,
  caller: CallerPlace,
  index: ResourceIndex,
): readonly MadeTarget[] {
  const place = isNear(seen, index.settings) ? caller : anywhere;
  const of = place === anywhere ? seen : place;
  const name = place === anywhere ? client : `${client} ${serviceHost(seen.service)}`;
  return kept(of, name, [seen], index, (watched) =>
    seen.targets.map((target) => madeOfTarget(target, client, place, watched)),
  );
}

interface Nearness {
  readonly settings: MeshSettings;
  readonly isNear: boolean;
}

const nearness = new WeakMap<SeenService, Nearness>();

/** Whether it matters where the caller is. */
function isNear(seen: SeenService, settings: MeshSettings): boolean {
  const known = nearness.get(seen);
  if (known?.settings === settings) return known.isNear;
  const near = seen.targets.some((target) => dependsOnPlace(targetPreference(target, settings)));
  nearness.set(seen, { settings, isNear: near });
  return near;
}

/** An instance that comes or goes changes endpoints, and no cluster. */
function madeOfTarget(
  target: OutboundTarget,
  client: ServiceClient,
  place: CallerPlace,
  index: ResourceIndex,
): MadeTarget {
  // What is made for a place ends with the caller that is there.
  const isAnywhere = place === anywhere;
  const of = isAnywhere ? target : place;
  const name = targetName(target);
  const made = <Value>(what: string, make: (index: ResourceIndex) => Value): Value =>
    kept(of, isAnywhere ? what : `${what} ${name}`, [target], index, make);
  const {
    cluster,
    use,
    isAssigned,
    isClosed = false,
  } = made(client, (watched) => {
    const found = serviceCluster(target, client, place, watched);
    const { tls } = targetPolicy(target, watched.settings);
    return { ...found, use: credentialUse(found.cluster.name, tls, target.rule) };
  });
  if (!isAssigned) return { cluster, use };
  if (isClosed) return { cluster, use, assignment: made('closed', () => emptyAssignment(name)) };
  // The same for every client but gRPC's.
  const endpoints = made('endpoints', (watched) => translateEndpoints(target, place, watched));
  if (client !== 'grpc') return { cluster, use, assignment: endpoints };
  const assignment = kept(endpoints, 'for gRPC', [], index, () => grpcAssignment(endpoints));
  return { cluster, use, assignment };
}

/** What of a caller all its clusters and endpoints depend on: callers of the same have the same. */
export function viewOf(index: ResourceIndex, caller: ServiceCaller): string {
  const policies = index.policyViewOf(caller);
  return placesAsked(index).depends ? `${policies} ${placeKey(caller, index)}` : policies;
}

function placeKey({ locality, labels }: CallerPlace, index: ResourceIndex): string {
  const { names } = placesAsked(index);
  return JSON.stringify([locality, ...names.map((name) => [name, labels[name] ?? null])]);
}

/** The same object for all who are at the same place, as far as it matters to anything. */
function placeOf({ locality, labels }: CallerPlace, index: ResourceIndex): CallerPlace {
  const key = placeKey({ locality, labels }, index);
  return index.derived.next<CallerPlace>(`place ${key}`, (before) => before ?? { locality, labels });
}

interface PlacesAsked {
  readonly depends: boolean;
  /** Of labels of callers. */
  readonly names: readonly string[];
}

/** Whether it matters to some policy where callers are, and which of their labels do. */
function placesAsked({
  derived,
  destinationRules,
  resiliencePolicies,
  settings,
}: ResourceIndex): PlacesAsked {
  return derived.value('places asked', [destinationRules, resiliencePolicies, settings], () => {
    const all = [
      ...destinationRules.map(({ spec }) => spec.trafficPolicy),
      ...destinationRules.flatMap(({ spec }) => spec.subsets.map(({ trafficPolicy }) => trafficPolicy)),
      {},
    ]
      .flatMap((policy) => (policy === undefined ? [] : [policy, ...(policy.portLevelSettings ?? [])]))
      .map((policy) => withMeshDefaults(policy, { carriedAs: 'TCP' }, settings));
    const isChecked = resiliencePolicies.some(({ spec }) => spec.healthCheck !== undefined);
    const depends = isChecked || all.some((policy) => dependsOnPlace(preferenceOf(policy, false)));
    const asked = all.flatMap(({ loadBalancer }) => loadBalancer?.localityLbSetting?.failoverPriority ?? []);
    const names = [...new Set(asked.map((written) => written.split('=')[0] ?? ''))].sort();
    return { depends, names };
  });
}
