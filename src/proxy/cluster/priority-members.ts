/** The endpoints of one priority, by how they are. */
import type { AssignmentPolicy } from './balancer.ts';
import type { Endpoint } from './endpoint.ts';
import { isExcluded } from './health.ts';
import type { PriorityHealth } from './priority-load.ts';

/** How a priority of a cluster does, for another cluster that has this one as a part. */
export interface PlacedHealth extends PriorityHealth {
  readonly priority: number;
}

export class PriorityMembers {
  readonly priority: number;
  readonly all: readonly Endpoint[];
  readonly healthy: readonly Endpoint[];
  readonly degraded: readonly Endpoint[];
  readonly excluded: number;

  constructor(priority: number, all: readonly Endpoint[]) {
    this.priority = priority;
    this.all = all;
    this.healthy = all.filter(({ isHealthy }) => isHealthy);
    this.degraded = all.filter(({ isDegraded }) => isDegraded);
    this.excluded = all.reduce((count, { flags }) => count + (isExcluded(flags) ? 1 : 0), 0);
  }

  health(weighted: boolean): PriorityHealth {
    const { all, healthy, degraded, excluded } = this;
    const counts = {
      healthy: healthy.length,
      degraded: degraded.length,
      counted: all.length - excluded,
      total: all.length,
    };
    if (!weighted) return counts;
    const counted = weightOf(all.filter(({ flags }) => !isExcluded(flags)));
    return { ...counts, weights: { healthy: weightOf(healthy), degraded: weightOf(degraded), counted } };
  }
}

/** In the order of priorities; those without endpoints are left out. */
export function prioritiesOf(
  endpoints: readonly Endpoint[],
  { overprovisioning, weightedHealth }: AssignmentPolicy,
): PlacedHealth[] {
  return byPriority(endpoints).map(([priority, all]) => ({
    ...new PriorityMembers(priority, all).health(weightedHealth),
    overprovisioning,
    priority,
  }));
}

/** The first comes first. */
export function byPriority(endpoints: readonly Endpoint[]): [priority: number, all: Endpoint[]][] {
  return [...Map.groupBy(endpoints, ({ traits }) => traits.priority)].sort(([a], [b]) => a - b);
}

function weightOf(endpoints: readonly Endpoint[]): number {
  return endpoints.reduce((sum, { traits }) => sum + traits.weight, 0);
}
