/** Endpoints as gRPC's clients take them: they refuse all over one that is there twice, has no IP address or weighs too much. */
import { create } from '@bufbuild/protobuf';
import { hostPort, parseIp } from '#core/ip-address.ts';
import type {
  LbEndpoint,
  LocalityLbEndpoints,
} from '#xds/gen/envoy/config/endpoint/v3/endpoint_components_pb.js';
import {
  type ClusterLoadAssignment,
  ClusterLoadAssignmentSchema,
} from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';

/** Nobody. */
export function emptyAssignment(clusterName: string): ClusterLoadAssignment {
  return create(ClusterLoadAssignmentSchema, { clusterName });
}

/** Of all localities of a priority together, and of the endpoints of one (gRFC A27). */
const MAX_WEIGHT = 2 ** 32 - 1;

/** The same object where there is nothing to change. */
export function grpcAssignment(assignment: ClusterLoadAssignment): ClusterLoadAssignment {
  const { clusterName, endpoints } = assignment;
  const seen = new Set<string>();
  const isNew = (endpoint: LbEndpoint): boolean => {
    const address = addressOf(endpoint);
    if (address === undefined || seen.has(address)) return false;
    seen.add(address);
    return true;
  };
  const kept = endpoints.map((locality) => ({
    ...locality,
    lbEndpoints: locality.lbEndpoints.filter(isNew),
  }));
  const used = kept.filter(
    ({ lbEndpoints, loadBalancingWeight = 0 }) => lbEndpoints.length > 0 && loadBalancingWeight > 0,
  );
  const isWhole =
    used.length === endpoints.length &&
    used.every(({ lbEndpoints }, i) => lbEndpoints.length === endpoints[i]!.lbEndpoints.length);
  if (isWhole && !isHeavy(used)) return assignment;
  const priorities = [...new Set(used.map(({ priority }) => priority))].sort((a, b) => a - b);
  return create(ClusterLoadAssignmentSchema, {
    clusterName,
    endpoints: used.map((locality) => {
      const ofPriority = used.filter(({ priority }) => priority === locality.priority);
      return {
        ...locality,
        priority: priorities.indexOf(locality.priority),
        loadBalancingWeight: lighter(locality.loadBalancingWeight, sum(ofPriority)),
        lbEndpoints: locality.lbEndpoints.map((endpoint) => ({
          ...endpoint,
          loadBalancingWeight: lighter(endpoint.loadBalancingWeight, sum(locality.lbEndpoints)),
        })),
      };
    }),
  });
}

function addressOf({ hostIdentifier }: LbEndpoint): string | undefined {
  const address = hostIdentifier.case === 'endpoint' ? hostIdentifier.value.address?.address : undefined;
  if (address?.case !== 'socketAddress' || parseIp(address.value.address) === undefined) return undefined;
  const { portSpecifier } = address.value;
  return portSpecifier.case === 'portValue'
    ? hostPort(address.value.address, portSpecifier.value)
    : undefined;
}

function isHeavy(localities: readonly LocalityLbEndpoints[]): boolean {
  return sum(localities) > MAX_WEIGHT || localities.some(({ lbEndpoints }) => sum(lbEndpoints) > MAX_WEIGHT);
}

function sum(weighted: readonly { readonly loadBalancingWeight?: number | undefined }[]): number {
  return weighted.reduce((total, { loadBalancingWeight = 1 }) => total + loadBalancingWeight, 0);
}

function lighter(weight = 1, total: number): number {
  return total <= MAX_WEIGHT ? weight : Math.max(1, Math.floor((weight / total) * (MAX_WEIGHT / 2)));
}
