/**
 * A cluster of clusters (Envoy, `envoy.clusters.aggregate`): the priorities of the children one after the other, and
 * among them a choice by their health; an endpoint of the priority that comes of it is chosen as its own cluster does.
 */
import type { Random } from '#core/random.ts';
import { noRuntime, type RuntimeValues } from '../runtime/values.ts';
import type { ClusterRuntime } from './cluster.ts';
import type { Endpoint } from './endpoint.ts';
import type { PickContext, PriorityCapacity } from './pick-context.ts';
import {
  capacityOfPriority,
  loadOfPriorities,
  OVERPROVISIONING,
  panicPercentOf,
  priorityAt,
} from './priority-load.ts';
import type { PlacedHealth } from './priority-members.ts';

export interface AggregateDeps {
  readonly random: Random;
  /** May say otherwise of the threshold of panic. */
  readonly runtime?: RuntimeValues;
  /** The cluster of that name in force. */
  cluster(name: string): ClusterRuntime | undefined;
}

/** A priority of a child. */
interface Place extends PriorityCapacity {
  readonly owner: ClusterRuntime;
}

/** What was there when the load of priorities was computed. */
interface Seen {
  readonly child: ClusterRuntime | undefined;
  readonly revision: number;
}

export class Aggregate {
  readonly #names: readonly string[];
  readonly #panicPercent: number;
  readonly #deps: AggregateDeps;
  #seen: Seen[] = [];
  #places: Place[] = [];
  #healthy: readonly number[] = [];
  #healthySum = 0;
  #degraded: readonly number[] = [];

  /** @param names the first is preferred; those that are not there, or have no endpoints, are passed over */
  constructor(names: readonly string[], panicPercent: number, deps: AggregateDeps) {
    this.#names = names;
    this.#panicPercent = panicPercent;
    this.#deps = deps;
  }

  /** Undefined where no child has an endpoint to be had. */
  pick(context: PickContext): Endpoint | undefined {
    this.#follow();
    const point = this.#deps.random.below(100);
    const shares = context.shares?.sharesOf(this.#places);
    let isDegraded = false;
    let at = priorityAt(shares ?? this.#healthy, point);
    if (at === -1) {
      isDegraded = true;
      at = priorityAt(this.#degraded, point - this.#healthySum);
    }
    const place = this.#places[at];
    if (place === undefined) return undefined;
    const { owner, priority } = place;
    return owner.pickAt({ ...context, shares: undefined, place: { priority, isDegraded } });
  }

  /** Children come, go and change at any time. */
  #follow(): void {
    const names = this.#names;
    const seen = this.#seen;
    for (let i = 0; i < names.length; i++) {
      const child = this.#deps.cluster(names[i]!);
      const { child: before, revision } = seen[i] ?? { child: undefined, revision: -1 };
      if (seen[i] === undefined || child !== before || (child?.membershipChanges ?? 0) !== revision) {
        this.#compute();
        return;
      }
    }
  }

  #compute(): void {
    this.#seen = [];
    this.#places = [];
    const priorities: PlacedHealth[] = [];
    for (const name of this.#names) {
      const child = this.#deps.cluster(name);
      this.#seen.push({ child, revision: child?.membershipChanges ?? 0 });
      for (const health of child?.priorities() ?? []) {
        const { priority, overprovisioning = OVERPROVISIONING } = health;
        this.#places.push({
          owner: child!,
          priority,
          capacity: capacityOfPriority(health, overprovisioning),
        });
        priorities.push(health);
      }
    }
    const panicPercent = panicPercentOf(this.#deps.runtime ?? noRuntime, this.#panicPercent);
    const rules = { panicPercent, overprovisioning: OVERPROVISIONING };
    const { healthy, degraded } = loadOfPriorities(priorities, rules);
    this.#healthy = healthy;
    this.#healthySum = healthy.reduce((sum, percent) => sum + percent, 0);
    this.#degraded = degraded;
  }
}
