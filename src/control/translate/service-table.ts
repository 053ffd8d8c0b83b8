/**
 * Clusters and endpoints of all services. They are the same for every proxy of one kind of client and
 * one namespace, so they are made once for each state of the mesh and shared.
 */
import type { Cluster } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { ClusterLoadAssignment } from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { serviceHost } from '../store/mesh-service.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import { type OutboundTarget, targetName } from './cluster.ts';
import { translateEndpoints } from './endpoint.ts';
import { type ServiceClient, serviceCluster } from './service-cluster.ts';
import { meshPorts } from './virtual-host.ts';

export interface ServiceTable {
  readonly clusters: readonly Cluster[];
  readonly endpoints: readonly ClusterLoadAssignment[];
}

/** @param namespace of the callers, whose own DestinationRules come first. */
export function serviceTable(index: ResourceIndex, client: ServiceClient, namespace: string): ServiceTable {
  const clusters: Cluster[] = [];
  const endpoints: ClusterLoadAssignment[] = [];
  for (const target of outboundTargets(index, namespace)) {
    const made = serviceCluster(target, client, index);
    if (made === undefined) continue;
    clusters.push(made.cluster);
    if (made.isAssigned) endpoints.push(assignmentOf(target, index));
  }
  return { clusters, endpoints };
}

function assignmentOf(target: OutboundTarget, index: ResourceIndex): ClusterLoadAssignment {
  const { service, port, subset } = target;
  return translateEndpoints(targetName(target), service, port, subset?.labels ?? {}, index);
}

/** Every port of every service, and every subset of each. */
function outboundTargets(index: ResourceIndex, namespace: string): readonly OutboundTarget[] {
  return [...index.services.values()].flatMap((service) => {
    const rule = index.destinationRuleFor(serviceHost(service), namespace);
    return meshPorts(service).flatMap((port) => [
      { service, port, rule, subset: undefined },
      ...(rule?.spec.subsets ?? []).map((subset) => ({ service, port, rule, subset })),
    ]);
  });
}
