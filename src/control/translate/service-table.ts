/**
 * Clusters and endpoints of all services. They are the same for every proxy of one kind of client and
 * one namespace, so they are made once for each state of the mesh and shared.
 */
import { isSameList } from '#core/same-list.ts';
import type { Cluster } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { ClusterLoadAssignment } from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { serviceHost } from '../store/mesh-service.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import { type CredentialUse, credentialUse } from './client-credentials.ts';
import { type OutboundTarget, targetName, targetPolicy, targetPreference } from './cluster.ts';
import { translateEndpoints } from './endpoint.ts';
import { emptyAssignment, grpcAssignment } from './grpc-endpoint.ts';
import { idOf, kept } from './kept.ts';
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
  return kept(caller, `services ${client}`, [], index, (watched, before: ServiceTable | undefined) => {
    const made = outboundTargets(watched, caller).map((target) => madeOf(target, client, caller, watched));
    const clusters = made.map(({ cluster }) => cluster);
    const endpoints = made.flatMap(({ assignment }) => assignment ?? []);
    const credentials = made.flatMap(({ use }) => use ?? []);
    return {
      clusters: listAsBefore(before?.clusters, clusters),
      endpoints: listAsBefore(before?.endpoints, endpoints),
      credentials: listAsBefore(before?.credentials, credentials),
    };
  });
}

function listAsBefore<Value>(before: readonly Value[] | undefined, now: readonly Value[]): readonly Value[] {
  return before !== undefined && isSameList(before, now) ? before : now;
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
function madeOf(
  target: OutboundTarget,
  client: ServiceClient,
  caller: ServiceCaller,
  index: ResourceIndex,
): MadeTarget {
  const { service, port, rule, subset, resilience } = target;
  const isNear = dependsOnPlace(targetPreference(target, index.settings));
  const place = isNear ? caller : anywhere;
  const of = isNear ? caller : service;
  const policies = [rule, resilience].map((one) => one && `${one.metadata.namespace}/${one.metadata.name}`);
  const name = `${targetName(target)} ${policies.join()} ${idOf(index.settings)}`;
  const inputs = [service, port, rule, subset, resilience, place];
  const made = kept(of, `${client} ${name}`, inputs, index, (watched) => {
    const found = serviceCluster(target, client, place, watched);
    const { tls } = targetPolicy(target, watched.settings);
    return { ...found, use: credentialUse(found.cluster.name, tls, rule) };
  });
  const { cluster, use, isAssigned, isClosed = false } = made;
  if (!isAssigned) return { cluster, use };
  if (isClosed)
    return {
      cluster,
      use,
      assignment: kept(of, `closed ${name}`, [], index, () => emptyAssignment(targetName(target))),
    };
  // The same for every client but gRPC's.
  const endpoints = kept(of, `endpoints ${name}`, inputs, index, (watched) =>
    translateEndpoints(target, place, watched),
  );
  if (client !== 'grpc') return { cluster, use, assignment: endpoints };
  const assignment = kept(of, `gRPC endpoints ${name}`, [endpoints], index, () => grpcAssignment(endpoints));
  return { cluster, use, assignment };
}

/** What of a caller all its clusters and endpoints depend on: callers of the same have the same. */
export function viewOf(index: ResourceIndex, caller: ServiceCaller): string {
  const policies = index.policyViewOf(caller);
  const { depends, names } = placesAsked(index);
  if (!depends) return policies;
  const { locality, labels } = caller;
  return JSON.stringify([policies, locality, ...names.map((name) => [name, labels[name] ?? null])]);
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

/** Every port of every service, and every subset of each. */
function outboundTargets(index: ResourceIndex, caller: ServiceCaller): readonly OutboundTarget[] {
  return [...index.services.values()].flatMap((service) => {
    const host = serviceHost(service);
    const rule = index.destinationRuleFor(host, caller);
    return meshPorts(service).flatMap((port) =>
      [undefined, ...(rule?.spec.subsets ?? [])].map((subset) => {
        const resilience = index.resilienceFor(host, port.port, subset?.name, caller);
        return { service, port, rule, subset, resilience };
      }),
    );
  });
}
