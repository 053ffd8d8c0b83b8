/** What keeps the requests of one user on one of several weighted destinations: the weights then share out users. */
import { parseStickyWeights, type StickyWeights, stickyWeightsAnnotation } from '#model/sticky-weights.ts';
import type {
  RouteActionSchema,
  WeightedClusterSchema,
} from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import type { Init } from './message.ts';
import type { RouteContext } from './route-action.ts';

type HashPolicyInit = NonNullable<Init<typeof RouteActionSchema>['hashPolicy']>[number];

export interface Stickiness {
  /** Of the route. */
  readonly hashPolicy: HashPolicyInit[];
  /** Of its weights. */
  readonly by: Pick<Init<typeof WeightedClusterSchema>, 'randomValueSpecifier'>;
}

/**
 * By what the VirtualService says, else by what the destinations balance by. An address is not taken from those: to a
 * sidecar all its application's calls come from one.
 *
 * @param balancing hash policies that the DestinationRules of the destinations ask for
 */
export function stickiness(
  { annotations, client }: Pick<RouteContext, 'annotations' | 'client'>,
  balancing: readonly HashPolicyInit[],
): Stickiness {
  // gRPC's clients know nothing of it.
  if (client === 'grpc') return { hashPolicy: [...balancing], by: {} };
  const written = annotations[stickyWeightsAnnotation];
  const asked = written === undefined ? undefined : parseStickyWeights(written);
  const own = asked === undefined ? [] : [asked].flatMap(hashPolicies);
  const isByUser = balancing.some(({ policySpecifier }) => policySpecifier?.case !== 'connectionProperties');
  const isSticky = asked === undefined ? isByUser : own.length > 0;
  return {
    hashPolicy: [...own, ...balancing],
    by: isSticky ? { randomValueSpecifier: { case: 'useHashPolicy', value: { value: true } } } : {},
  };
}

function hashPolicies(sticky: StickyWeights): HashPolicyInit[] {
  const policySpecifier = specifierOf(sticky);
  // Where a request has it, nothing else tells users apart.
  return policySpecifier === undefined ? [] : [{ policySpecifier, terminal: true }];
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
