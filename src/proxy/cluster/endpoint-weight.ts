/** What share of its priority's traffic each endpoint should get, with or without weights of localities. */
import type { Endpoint } from './endpoint.ts';
import type { LocalityGroup } from './localities.ts';

/** Weights of `chosen` with a sum of 1, rounded as Envoy rounds them: hash tables depend on the last bit. */
export function flatWeights(chosen: readonly Endpoint[]): number[] {
  const sum = chosen.reduce((total, { traits }) => total + traits.weight, 0);
  return chosen.map(({ traits }) => traits.weight / sum);
}

export interface Weighted {
  readonly endpoints: readonly Endpoint[];
  /** With a sum of 1. */
  readonly weights: readonly number[];
}

/**
 * For tables of hashes: first by the weights of localities, then by those of the endpoints in each; localities
 * without a weight get nothing (Envoy, "Locality weighted load balancing").
 */
export function localityWeights(groups: readonly LocalityGroup[], source: 'all' | 'healthy'): Weighted {
  const some = groups.filter((group) => group.weight > 0 && group[source].length > 0);
  const total = some.reduce((sum, { weight }) => sum + weight, 0);
  const endpoints: Endpoint[] = [];
  const weights: number[] = [];
  for (const group of some) {
    const members = group[source];
    const share = group.weight / total;
    const sum = members.reduce((inner, { traits }) => inner + traits.weight, 0);
    for (const endpoint of members) {
      endpoints.push(endpoint);
      weights.push((endpoint.traits.weight * share) / sum);
    }
  }
  return { endpoints, weights };
}
