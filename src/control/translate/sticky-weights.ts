/** What keeps the requests of one user on one of several weighted destinations: the weights then share out users. */
import type { Labels } from '#model/metadata.ts';
import { parseStickyWeights, type StickyWeights, stickyWeightsAnnotation } from '#model/sticky-weights.ts';
import type {
  RouteActionSchema,
  WeightedClusterSchema,
} from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import type { Init } from './message.ts';
import type { ProxyNode } from './node.ts';
import type { RouteInit } from './route-action.ts';

type ActionInit = Init<typeof RouteActionSchema>;
type HashPolicyInit = NonNullable<ActionInit['hashPolicy']>[number];

/** @param annotations of the VirtualService in which the route stands */
export function withStickyWeights(
  route: RouteInit,
  annotations: Labels,
  client: ProxyNode['client'],
): RouteInit {
  const written = annotations[stickyWeightsAnnotation];
  const asked = written === undefined ? undefined : parseStickyWeights(written);
  // gRPC's clients know nothing of it.
  if (asked === undefined || client === 'grpc' || route.action?.case !== 'route') return route;
  const action = route.action.value as ActionInit;
  if (action.clusterSpecifier?.case !== 'weightedClusters') return route;
  const { randomValueSpecifier: _, ...weights } = action.clusterSpecifier.value as Init<
    typeof WeightedClusterSchema
  >;
  const policySpecifier = specifierOf(asked);
  const value: ActionInit = {
    ...action,
    // Where a request has it, nothing else tells users apart.
    hashPolicy: [
      ...(policySpecifier ? [{ policySpecifier, terminal: true }] : []),
      ...(action.hashPolicy ?? []),
    ],
    clusterSpecifier: {
      case: 'weightedClusters',
      value: {
        ...weights,
        ...(policySpecifier && { randomValueSpecifier: { case: 'useHashPolicy', value: { value: true } } }),
      },
    },
  };
  return { ...route, action: { case: 'route', value } };
}

function specifierOf(sticky: StickyWeights): HashPolicyInit['policySpecifier'] {
  switch (sticky.by) {
    case 'nothing':
      return undefined;
    case 'header':
      return { case: 'header', value: { headerName: sticky.name.toLowerCase() } };
    case 'cookie':
      return { case: 'cookie', value: { name: sticky.name } };
    case 'query':
      return { case: 'queryParameter', value: { name: sticky.name } };
    case 'source-ip':
      return { case: 'connectionProperties', value: { sourceIp: true } };
  }
}
