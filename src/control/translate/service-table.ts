/**
 * Clusters and endpoints of all services. They are the same for every proxy of one kind of client and
 * one namespace, so they are made once for each state of the mesh and shared.
 */
import type { Cluster } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { ClusterLoadAssignment } from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { serviceHost } from '../store/mesh-service.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import { type CredentialUse, credentialUse } from './client-credentials.ts';
import { type OutboundTarget, targetName, targetPolicy } from './cluster.ts';
import { translateEndpoints } from './endpoint.ts';
import { emptyAssignment, grpcAssignment } from './grpc-endpoint.ts';
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

export function serviceTable(
  index: ResourceIndex,
  client: ServiceClient,
  caller: ServiceCaller,
): ServiceTable {
  const clusters: Cluster[] = [];
  const endpoints: ClusterLoadAssignment[] = [];
  const credentials: CredentialUse[] = [];
  for (const target of outboundTargets(index, caller)) {
    const made = serviceCluster(target, client, caller, index);
    clusters.push(made.cluster);
    const { tls } = targetPolicy(target, index.settings);
    const use = credentialUse(made.cluster.name, tls, target.rule);
    if (use !== undefined) credentials.push(use);
    if (!made.isAssigned) continue;
    const all =
      made.isClosed === true
        ? emptyAssignment(targetName(target))
        : translateEndpoints(target, caller, index);
    endpoints.push(client === 'grpc' ? grpcAssignment(all) : all);
  }
  return { clusters, endpoints, credentials };
}

/** What of a caller all its clusters and endpoints depend on: callers of the same have the same. */
export function viewOf(index: ResourceIndex, caller: ServiceCaller): string {
  const policies = index.policyViewOf(caller);
  const rules = index.destinationRules.map(({ spec }) => spec.trafficPolicy);
  const all = [
    ...rules,
    ...index.destinationRules.flatMap(({ spec }) => spec.subsets.map(({ trafficPolicy }) => trafficPolicy)),
    {},
  ]
    .flatMap((policy) => (policy === undefined ? [] : [policy, ...(policy.portLevelSettings ?? [])]))
    .map((policy) => withMeshDefaults(policy, { carriedAs: 'TCP' }, index.settings));
  const isChecked = index.resiliencePolicies.some(({ spec }) => spec.healthCheck !== undefined);
  const depends = isChecked || all.some((policy) => dependsOnPlace(preferenceOf(policy, false)));
  if (!depends) return policies;
  const { locality, labels } = caller;
  const asked = all.flatMap(({ loadBalancer }) => loadBalancer?.localityLbSetting?.failoverPriority ?? []);
  const names = [...new Set(asked.map((written) => written.split('=')[0] ?? ''))].sort();
  return JSON.stringify([policies, locality, ...names.map((name) => labels[name] ?? null)]);
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
