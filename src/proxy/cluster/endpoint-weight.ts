/** What share of its priority's traffic each endpoint should get, with or without weights of localities. */
import type { Endpoint } from './endpoint.ts';
import { capacityRatio } from './priority-load.ts';

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
 * First by the weights of localities, then by those of the endpoints in each; localities without a weight get
 * nothing (Envoy, "Locality weighted load balancing").
 *
 * @param all the endpoints of the priority.
 * @param chosen those of them to choose among.
 * @param asAvailable whether localities count less when many of their endpoints are not chosen.
 */
export function localityWeights(
  all: readonly Endpoint[],
  chosen: readonly Endpoint[],
  asAvailable: boolean,
): Weighted {
  const groups = Map.groupBy(chosen, localityOf);
  const sizes = Map.groupBy(all, localityOf);
  const localities = [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, members]) => {
      const weight = members[0]!.traits.localityWeight;
      const ratio = asAvailable ? capacityRatio(members.length, sizes.get(key)!.length) : 1;
      return { members, weight: weight * ratio };
    })
    .filter(({ weight }) => weight > 0);
  const total = localities.reduce((sum, { weight }) => sum + weight, 0);
  const endpoints: Endpoint[] = [];
  const weights: number[] = [];
  for (const { members, weight } of localities) {
    const share = weight / total;
    const sum = members.reduce((inner, { traits }) => inner + traits.weight, 0);
    for (const endpoint of members) {
      endpoints.push(endpoint);
      weights.push((endpoint.traits.weight * share) / sum);
    }
  }
  return { endpoints, weights };
}

/** Orders as Envoy orders localities: by region, zone, sub-zone. */
function localityOf({ traits: { locality } }: Endpoint): string {
  return `${locality.region}\0${locality.zone}\0${locality.subZone}`;
}
