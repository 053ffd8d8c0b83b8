/**
 * The endpoints of a cluster and the choice among them: a priority with enough healthy ones, or with degraded ones,
 * then the balancing policy; all of them where too few are available (Envoy, "Panic threshold").
 */
import type { Steps } from '#core/time-slice.ts';
import { remainder } from '#core/word64.ts';
import type { Picker, PolicyDefinition, PolicySettings } from '../balance/contract.ts';
import type { Endpoint } from './endpoint.ts';
import { flatWeights, localityWeights } from './endpoint-weight.ts';
import { healthOf, isExcluded } from './health.ts';
import type { PickContext } from './pick-context.ts';
import { loadOfPriorities, OVERPROVISIONING, type PriorityHealth, priorityAt } from './priority-load.ts';

export interface HostSetOptions {
  readonly policy: PolicyDefinition;
  readonly settings: PolicySettings;
  /** Whole percents: where fewer endpoints are available all of them are used. */
  readonly panicPercent: number;
  /** Whether nothing is chosen in panic. */
  readonly failsInPanic: boolean;
  /** Whether the weights of localities count. */
  readonly localityWeighted: boolean;
  /** An endpoint is picked in panic. */
  onPanic(): void;
}

/** What a load assignment says of all its endpoints. */
export interface AssignmentPolicy {
  /** Percents. */
  readonly overprovisioning: number;
  /** Whether the health of a priority is the sum of weights instead of the number of endpoints. */
  readonly weightedHealth: boolean;
}

export const plainAssignmentPolicy: AssignmentPolicy = {
  overprovisioning: OVERPROVISIONING,
  weightedHealth: false,
};

/** How many endpoints there are. */
export interface Members {
  readonly healthy: number;
  readonly degraded: number;
  readonly excluded: number;
}

type Source = 'all' | 'healthy' | 'degraded';

/** The endpoints of one priority, and what chooses among them; that is made for the sources which get traffic. */
class Level {
  readonly all: readonly Endpoint[];
  readonly healthy: readonly Endpoint[];
  readonly degraded: readonly Endpoint[];
  readonly excluded: number;
  readonly pickers: { [S in Source]?: Picker<Endpoint> } = {};

  constructor(all: readonly Endpoint[]) {
    this.all = all;
    this.healthy = all.filter(({ flags }) => healthOf(flags) === 'healthy');
    this.degraded = all.filter(({ flags }) => healthOf(flags) === 'degraded');
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

export class HostSet {
  endpoints: readonly Endpoint[] = [];
  readonly #options: HostSetOptions;
  #policy = plainAssignmentPolicy;
  #levels: readonly Level[] = [];
  #healthy: readonly number[] = [];
  #healthySum = 0;
  #degraded: readonly number[] = [];
  #inPanic: readonly boolean[] = [];
  /** Where all traffic goes to one level that is well. */
  #only: Picker<Endpoint> | undefined;
  #replacements = 0;
  /** Changes of flags, and the newest of them that what chooses was made of. */
  #changes = 0;
  #applied = 0;
  #applying = false;
  /** Counts what was put in force. */
  revision = 0;

  constructor(options: HostSetOptions) {
    this.#options = options;
  }

  /**
   * Makes what chooses among these, and then puts it in the place of what is there. O(n log n).
   *
   * @returns whether it did: it gives way to a call that comes while it is under way.
   */
  *replace(endpoints: readonly Endpoint[], policy: AssignmentPolicy = plainAssignmentPolicy): Steps<boolean> {
    const replacement = ++this.#replacements;
    const changes = this.#changes;
    const levels = [...Map.groupBy(endpoints, ({ traits }) => traits.priority)]
      .sort(([a], [b]) => a - b)
      .map(([, all]) => new Level(all));
    yield;
    // Without endpoints there is one empty priority, in panic where that is allowed.
    if (levels.length === 0) levels.push(new Level([]));
    const install = yield* this.#made(levels, policy);
    if (replacement !== this.#replacements) return false;
    this.endpoints = endpoints;
    this.#policy = policy;
    install();
    this.#applied = changes;
    if (this.#changes !== changes) yield* this.refresh();
    return true;
  }

  /** Flags of endpoints have changed; others are as before. */
  noteChange(): void {
    this.#changes++;
  }

  /**
   * Follows the flags of endpoints: priorities without a change keep what they have. Where another call is under
   * way, that one sees to it.
   */
  *refresh(): Steps<void> {
    // The first endpoints are on their way: what brings them sees to it.
    if (this.#applying || this.#levels.length === 0) return;
    this.#applying = true;
    try {
      while (this.#applied !== this.#changes) {
        const before = this.#levels;
        const changes = this.#changes;
        const levels = before.map((level) => {
          const now = new Level(level.all);
          return areSame(now, level) ? level : now;
        });
        const install = yield* this.#made(levels, this.#policy);
        // Other endpoints may have come meanwhile.
        if (this.#levels !== before) continue;
        install();
        this.#applied = changes;
      }
    } finally {
      this.#applying = false;
    }
  }

  members(): Members {
    let healthy = 0;
    let degraded = 0;
    let excluded = 0;
    for (const level of this.#levels) {
      healthy += level.healthy.length;
      degraded += level.degraded.length;
      excluded += level.excluded;
    }
    return { healthy, degraded, excluded };
  }

  /** How its priorities do, for a cluster that this one is a part of. */
  priorities(): PriorityHealth[] {
    const { overprovisioning, weightedHealth } = this.#policy;
    return this.#levels.map((level) => ({ ...level.health(weightedHealth), overprovisioning }));
  }

  pick(context: PickContext): Endpoint | undefined {
    const { attempts, tried } = context;
    let endpoint = this.#pickOnce(context, 0);
    for (let i = 1; i < attempts && endpoint !== undefined && tried?.has(endpoint) === true; i++) {
      endpoint = this.#pickOnce(context, i);
    }
    return endpoint;
  }

  /** The same of one priority: of its degraded endpoints, or of those that are well. */
  pickAt(level: number, isDegraded: boolean, context: PickContext): Endpoint | undefined {
    const { attempts, hash, tried } = context;
    const source: Source = isDegraded ? 'degraded' : 'healthy';
    let endpoint = this.#pickOf(level, source, hash, 0);
    for (let i = 1; i < attempts && endpoint !== undefined && tried?.has(endpoint) === true; i++) {
      endpoint = this.#pickOf(level, source, hash, i);
    }
    return endpoint;
  }

  #pickOnce({ hash }: PickContext, attempt: number): Endpoint | undefined {
    if (this.#only !== undefined) return this.#only.pick(hash, attempt);
    const { policy, settings } = this.#options;
    const point = policy.hashes && hash !== undefined ? remainder(hash, 100) : settings.random.below(100);
    let source: Source = 'healthy';
    let at = priorityAt(this.#healthy, point);
    if (at === -1) {
      at = priorityAt(this.#degraded, point - this.#healthySum);
      // Tables of hashes hold healthy endpoints alone, as Envoy's do.
      if (!policy.hashes) source = 'degraded';
    }
    return this.#pickOf(at, source, hash, attempt);
  }

  #pickOf(at: number, source: Source, hash: PickContext['hash'], attempt: number): Endpoint | undefined {
    const { failsInPanic, onPanic } = this.#options;
    let from = source;
    if (this.#inPanic[at] === true) {
      onPanic();
      if (failsInPanic) return undefined;
      from = 'all';
    }
    return this.#levels[at]?.pickers[from]?.pick(hash, attempt);
  }

  /** Makes what is missing of `levels`. @returns puts them in force. */
  *#made(levels: readonly Level[], policy: AssignmentPolicy): Steps<() => void> {
    const { panicPercent } = this.#options;
    const { healthy, degraded, inPanic } = loadOfPriorities(
      levels.map((level) => level.health(policy.weightedHealth)),
      { panicPercent, overprovisioning: policy.overprovisioning },
    );
    for (const [i, level] of levels.entries()) {
      const sources: Source[] = inPanic[i] ? ['all'] : ['healthy'];
      if (!inPanic[i] && degraded[i]! > 0) sources.push('degraded');
      for (const source of sources) {
        if (level.pickers[source] !== undefined) continue;
        const picker = this.#build(level, source, policy);
        yield;
        if (picker.ready !== undefined) yield* picker.ready();
        level.pickers[source] = picker;
      }
    }
    return () => {
      this.revision++;
      this.#levels = levels;
      this.#healthy = healthy;
      this.#healthySum = healthy.reduce((sum, percent) => sum + percent, 0);
      this.#degraded = degraded;
      this.#inPanic = inPanic;
      const full = healthy.indexOf(100);
      this.#only = full !== -1 && !inPanic[full]! ? levels[full]!.pickers.healthy : undefined;
    };
  }

  #build(level: Level, source: Source, { overprovisioning }: AssignmentPolicy): Picker<Endpoint> {
    const { policy, settings, localityWeighted } = this.#options;
    const chosen = level[source];
    const byLocality =
      localityWeighted &&
      (source !== 'all' || policy.hashes) &&
      level.all.some(({ traits }) => traits.localityWeight > 0);
    if (!byLocality) return policy.build(chosen, flatWeights(chosen), settings);
    const { endpoints, weights } = localityWeights(
      level.all,
      chosen,
      policy.hashes ? undefined : overprovisioning,
    );
    return policy.build(endpoints, weights, settings);
  }
}

function weightOf(endpoints: readonly Endpoint[]): number {
  return endpoints.reduce((sum, { traits }) => sum + traits.weight, 0);
}

function areSame(one: Level, other: Level): boolean {
  return (
    one.excluded === other.excluded &&
    haveSame(one.healthy, other.healthy) &&
    haveSame(one.degraded, other.degraded)
  );
}

function haveSame(one: readonly Endpoint[], other: readonly Endpoint[]): boolean {
  return one.length === other.length && one.every((endpoint, i) => endpoint === other[i]);
}
