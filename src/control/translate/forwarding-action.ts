/** What of a route says where requests go. */
import type { RouteActionSchema } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import type { Init } from './message.ts';

export type ForwardingAction = Init<typeof RouteActionSchema>;

/** Names of its clusters. */
export function clustersOf({ clusterSpecifier }: ForwardingAction): readonly string[] {
  if (clusterSpecifier?.case === 'cluster') return [clusterSpecifier.value];
  if (clusterSpecifier?.case !== 'weightedClusters') return [];
  return (clusterSpecifier.value.clusters ?? []).map(({ name = '' }) => name);
}
