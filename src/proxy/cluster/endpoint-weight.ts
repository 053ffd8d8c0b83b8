/** What share of its priority's traffic each endpoint should get, with or without weights of localities. */
import type { Endpoint } from './endpoint.ts';
import { isExcluded } from './health.ts';
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
 * @param overprovisioning percents, where localities count less when many of their endpoints are not chosen;
 * undefined where they do not.
 */
export function localityWeights(
  all: readonly Endpoint[],
  chosen: readonly Endpoint[],
  overprovisioning: number | undefined,
): Weighted {
  const groups = Map.groupBy(chosen, localityOf);
  const sizes = new Map<string, number>();
  for (const endpoint of all) {
    const key = localityOf(endpoint);
    sizes.set(key, (sizes.get(key) ?? 0) + (isExcluded(endpoint.flags) ? 0 : 1));
  }
  const localities = [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, members]) => {
      const weight = members[0]!.traits.localityWeight;
      const ratio =
        overprovisioning === undefined ? 1 : capacityRatio(members.length, sizes.get(key)!, overprovisioning);
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
