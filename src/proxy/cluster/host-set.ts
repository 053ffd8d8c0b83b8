/**
 * The endpoints of a cluster and the choice among them: a priority with enough healthy ones, then the
 * balancing policy; all of them where too few are healthy (Envoy, "Panic threshold").
 */
import type { Steps } from '#core/time-slice.ts';
import { remainder, type Word64 } from '#core/word64.ts';
import type { Picker, PolicyDefinition, PolicySettings } from '../balance/contract.ts';
import type { Endpoint } from './endpoint.ts';
import { flatWeights, localityWeights } from './endpoint-weight.ts';
import { loadOfPriorities, priorityAt } from './priority-load.ts';

export interface HostSetOptions {
  readonly policy: PolicyDefinition;
  readonly settings: PolicySettings;
  /** 0 to 1: below this ratio of healthy endpoints all of them are used. */
  readonly panicThreshold: number;
  /** Whether the weights of localities count. */
  readonly localityWeighted: boolean;
  /** An endpoint is picked in panic. */
  onPanic(): void;
}

interface PriorityLevel {
  readonly picker: Picker<Endpoint>;
  readonly inPanic: boolean;
}

export class HostSet {
  endpoints: readonly Endpoint[] = [];
  readonly #options: HostSetOptions;
  #levels: readonly PriorityLevel[] = [];
  #load: readonly number[] = [];
  /** Where all traffic goes to one level that is well. */
  #only: Picker<Endpoint> | undefined;
  #replacements = 0;

  constructor(options: HostSetOptions) {
    this.#options = options;
  }

  /**
   * Makes what chooses among these, and then puts it in the place of what is there. O(n log n).
   *
   * @returns whether it did: it gives way to a call that comes while it is under way.
   */
  *replace(endpoints: readonly Endpoint[]): Steps<boolean> {
    const replacement = ++this.#replacements;
    const groups = [...Map.groupBy(endpoints, ({ traits }) => traits.priority)]
      .sort(([a], [b]) => a - b)
      .map(([, all]) => ({ all, healthy: all.filter(({ traits }) => traits.healthy) }));
    yield;
    // Without endpoints there is one empty priority, in panic where that is allowed.
    if (groups.length === 0) groups.push({ all: [], healthy: [] });
    const { load, inPanic } = loadOfPriorities(
      groups.map(({ all, healthy }) => ({ healthy: healthy.length, total: all.length })),
      this.#options.panicThreshold,
    );
    const levels: PriorityLevel[] = [];
    for (const [i, { all, healthy }] of groups.entries()) {
      const picker = this.#build(all, inPanic[i]! ? all : healthy);
      levels.push({ picker, inPanic: inPanic[i]! });
      yield;
      if (picker.ready !== undefined) yield* picker.ready();
    }
    if (replacement !== this.#replacements) return false;
    this.endpoints = endpoints;
    this.#load = load;
    this.#levels = levels;
    const full = load.indexOf(100);
    this.#only = full !== -1 && !inPanic[full]! ? levels[full]!.picker : undefined;
    return true;
  }

  /** The parameters are for policies that hash; see {@link Picker.pick}. */
  pick(hash?: Word64, attempt?: number): Endpoint | undefined {
    if (this.#only !== undefined) return this.#only.pick(hash, attempt);
    const { policy, settings, onPanic } = this.#options;
    const point = policy.hashes && hash !== undefined ? remainder(hash, 100) : settings.random.below(100);
    const level = this.#levels[priorityAt(this.#load, point)];
    if (level?.inPanic === true) onPanic();
    return level?.picker.pick(hash, attempt);
  }

  #build(all: readonly Endpoint[], chosen: readonly Endpoint[]): Picker<Endpoint> {
    const { policy, settings } = this.#options;
    if (!this.#options.localityWeighted || all.every(({ traits }) => traits.localityWeight === 0)) {
      return policy.build(chosen, flatWeights(chosen), settings);
    }
    const { endpoints, weights } = localityWeights(all, chosen, !policy.hashes);
    return policy.build(endpoints, weights, settings);
  }
}
