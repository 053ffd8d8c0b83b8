/** The endpoints of a priority by where they are, in Envoy's order: those of this proxy's own place come first. */
import type { Endpoint, Locality } from './endpoint.ts';
import { isExcluded } from './health.ts';
import { capacityRatio } from './priority-load.ts';

export interface LocalityGroup {
  /** Orders as Envoy orders localities: by region, zone, sub-zone. */
  readonly key: string;
  readonly all: readonly Endpoint[];
  readonly healthy: readonly Endpoint[];
  readonly degraded: readonly Endpoint[];
  readonly excluded: number;
  /** 0: none is given. */
  readonly weight: number;
}

export interface Localities {
  readonly groups: readonly LocalityGroup[];
  /** Whether the first of them is where this proxy is. */
  readonly hasOwn: boolean;
}

export function localityKey({ region, zone, subZone }: Locality): string {
  return `${region}\0${zone}\0${subZone}`;
}

/**
 * @param own key of the place of this proxy; undefined where it is unknown.
 * @param scale makes another weight of that of a group: for subsets, which have a part of its endpoints.
 */
export function groupByLocality(
  endpoints: readonly Endpoint[],
  own: string | undefined,
  scale?: (group: LocalityGroup) => number,
): Localities {
  const groups = [...Map.groupBy(endpoints, ({ traits }) => localityKey(traits.locality))]
    .sort(([a], [b]) => (a === own ? -1 : b === own ? 1 : a < b ? -1 : 1))
    .map(([key, all]): LocalityGroup => {
      const group = {
        key,
        all,
        healthy: all.filter(({ isHealthy }) => isHealthy),
        degraded: all.filter(({ isDegraded }) => isDegraded),
        excluded: all.reduce((count, { flags }) => count + (isExcluded(flags) ? 1 : 0), 0),
        weight: all[0]!.traits.localityWeight,
      };
      return scale === undefined ? group : { ...group, weight: scale(group) };
    });
  return { groups, hasOwn: groups[0] !== undefined && groups[0].key === own };
}

/**
 * The weight of a locality, less where many of its endpoints are not among those to choose from.
 *
 * @param overprovisioning percents
 */
export function effectiveWeight(
  group: LocalityGroup,
  source: 'healthy' | 'degraded',
  overprovisioning: number,
): number {
  const { all, excluded, weight } = group;
  return weight * capacityRatio(group[source].length, all.length - excluded, overprovisioning);
}
