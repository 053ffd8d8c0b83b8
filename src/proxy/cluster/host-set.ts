/**
 * The endpoints of a cluster and the choice among them: the first priority with enough healthy
 * ones, then the balancing policy; all of them where too few are healthy (Envoy, "Panic threshold").
 */
import type { Picker, PolicyDefinition, PolicySettings } from '../balance/contract.ts';
import type { Endpoint } from './endpoint.ts';

/** Envoy's over-provisioning factor: 1.4 times the ratio of healthy endpoints counts as capacity. */
const OVERPROVISIONING = 1.4;

interface PriorityLevel {
  readonly picker: Picker<Endpoint>;
  /** 0 to 1: share of the traffic. */
  readonly load: number;
  readonly inPanic: boolean;
}

export class HostSet {
  endpoints: readonly Endpoint[] = [];
  readonly #policy: PolicyDefinition;
  readonly #settings: PolicySettings;
  readonly #panicThreshold: number;
  readonly #onPanic: () => void;
  #levels: PriorityLevel[] = [];
  #only: Picker<Endpoint> | undefined;

  constructor(
    policy: PolicyDefinition,
    settings: PolicySettings,
    panicThreshold: number,
    onPanic: () => void,
  ) {
    this.#policy = policy;
    this.#settings = settings;
    this.#panicThreshold = panicThreshold;
    this.#onPanic = onPanic;
  }

  /** O(n log n). */
  set(endpoints: readonly Endpoint[]): void {
    this.endpoints = endpoints;
    const priorities = [...new Set(endpoints.map(({ traits }) => traits.priority))].sort((a, b) => a - b);
    const groups = priorities.map((priority) => {
      const all = endpoints.filter(({ traits }) => traits.priority === priority);
      const healthy = all.filter(({ traits }) => traits.healthy);
      return { all, healthy, capacity: Math.min(1, (healthy.length / all.length) * OVERPROVISIONING) };
    });
    let left = 1;
    const total = Math.min(
      1,
      groups.reduce((sum, { capacity }) => sum + capacity, 0),
    );
    this.#levels = groups.map(({ all, healthy, capacity }) => {
      const load = total === 0 ? 0 : Math.min(left, capacity / total);
      left -= load;
      const inPanic = total < 1 ? healthy.length / all.length < this.#panicThreshold : false;
      return { picker: this.#build(inPanic ? all : healthy), load, inPanic };
    });
    // Nothing healthy anywhere: the first priority takes all, in panic where that is allowed.
    if (total === 0 && this.#levels[0] !== undefined) this.#levels[0] = { ...this.#levels[0], load: 1 };
    const [first] = this.#levels;
    this.#only = first !== undefined && first.load >= 1 && !first.inPanic ? first.picker : undefined;
  }

  pick(): Endpoint | undefined {
    if (this.#only !== undefined) return this.#only.pick();
    let point = this.#settings.random.ratio();
    for (const level of this.#levels) {
      point -= level.load;
      if (point >= 0) continue;
      if (level.inPanic) this.#onPanic();
      return level.picker.pick();
    }
    return undefined;
  }

  #build(endpoints: readonly Endpoint[]): Picker<Endpoint> {
    return this.#policy.build(endpoints, this.#settings);
  }
}
