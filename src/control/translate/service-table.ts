/**
 * Clusters and endpoints of all services. They are the same for every proxy of one kind of client and
 * one namespace, so they are made once for each state of the mesh and shared.
 */
import { isHeadless } from '#model/service.ts';
import type { Cluster } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { ClusterLoadAssignment } from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import type { ResourceIndex } from '../store/resource-index.ts';
import { serviceHost } from '../store/resource-index.ts';
import { grpcCluster, headlessCluster, type OutboundTarget, proxyCluster, targetName } from './cluster.ts';
import { translateEndpoints } from './endpoint.ts';
import { meshPorts } from './virtual-host.ts';

export interface ServiceTable {
  readonly clusters: readonly Cluster[];
  readonly endpoints: readonly ClusterLoadAssignment[];
}

/** `captured`: a proxy that knows what addresses connections were made to. */
export type ServiceClient = 'proxy' | 'captured' | 'grpc';

/** @param namespace of the callers, whose own DestinationRules come first. */
export function serviceTable(index: ResourceIndex, client: ServiceClient, namespace: string): ServiceTable {
  const targets = outboundTargets(index, namespace);
  const isByAddress = ({ service }: OutboundTarget): boolean => client === 'captured' && isHeadless(service);
  const toCluster = (target: OutboundTarget): Cluster => {
    if (client === 'grpc') return grpcCluster(target, index);
    return isByAddress(target) ? headlessCluster(target, index) : proxyCluster(target, index);
  };
  const assigned = targets.filter((target) => !isByAddress(target));
  return {
    clusters: targets.map(toCluster),
    endpoints: assigned.map((target) => {
      const { service, port, subset } = target;
      return translateEndpoints(targetName(target), service, port, subset?.labels ?? {}, index);
    }),
  };
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
