/**
 * The endpoints of a cluster and the choice among them: a priority with enough healthy ones, or with degraded ones,
 * then the balancing policy; all of them where too few are available (Envoy, "Panic threshold").
 */
import type { Steps } from '#core/time-slice.ts';
import { remainder } from '#core/word64.ts';
import type { Picker } from '../balance/contract.ts';
import type { RuntimeValues } from '../runtime/values.ts';
import { type AssignmentPolicy, type Balancer, type Members, plainAssignmentPolicy } from './balancer.ts';
import type { Endpoint } from './endpoint.ts';
import { Level, type LevelRules, type Source } from './level.ts';
import type { PickContext, PriorityShares } from './pick-context.ts';
import { capacityOfPriority, loadOfPriorities, panicPercentOf, priorityAt } from './priority-load.ts';
import { byPriority } from './priority-members.ts';

export interface HostSetOptions extends LevelRules {
  /** Whole percents: where fewer endpoints are available all of them are used. */
  readonly panicPercent: number;
  /** May say otherwise of that. */
  readonly runtime: RuntimeValues;
  /** Whether nothing is chosen in panic. */
  readonly failsInPanic: boolean;
  /** An endpoint is picked in panic. */
  onPanic(): void;
}

export class HostSet implements Balancer {
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
  #weighed = false;

  constructor(options: HostSetOptions) {
    this.#options = options;
  }

  /**
   * Makes what chooses among these, and then puts it in the place of what is there; {@link refresh} follows, as
   * flags may have changed meanwhile. O(n log n).
   *
   * @returns whether it did: it gives way to a call that comes while it is under way.
   */
  *replace(endpoints: readonly Endpoint[], policy: AssignmentPolicy = plainAssignmentPolicy): Steps<boolean> {
    const replacement = ++this.#replacements;
    const changes = this.#changes;
    const levels = byPriority(endpoints).map(
      ([priority, all]) => new Level(priority, all.slice(), this.#options),
    );
    yield;
    // Without endpoints there is one empty priority, in panic where that is allowed.
    if (levels.length === 0) levels.push(new Level(0, [], this.#options));
    const install = yield* this.#made(levels, policy);
    if (replacement !== this.#replacements) return false;
    this.endpoints = endpoints;
    this.#policy = policy;
    install();
    this.#applied = changes;
    return true;
  }

  /** Flags of endpoints have changed; others are as before. */
  noteChange(): void {
    this.#changes++;
  }

  /** Weights of endpoints have changed. */
  noteWeights(): void {
    this.#weighed = true;
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
        const weighed = this.#weighed;
        this.#weighed = false;
        const levels = before.map((level) => {
          const now = new Level(level.priority, level.all, this.#options);
          return weighed || !now.hasSameHealthAs(level) ? now : level;
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

  pick(context: PickContext): Endpoint | undefined {
    const { attempts, refusal } = context;
    let endpoint = this.#pickOnce(context, 0);
    for (let i = 1; i < attempts && endpoint !== undefined && refusal?.refuses(endpoint) === true; i++) {
      endpoint = this.#pickOnce(context, i);
    }
    return endpoint;
  }

  #pickOnce({ hash, shares, place }: PickContext, attempt: number): Endpoint | undefined {
    const { policy, settings } = this.#options;
    // Tables of hashes are of all priorities, as Envoy's are.
    if (place !== undefined && !policy.hashes) {
      const at = this.#levels.findIndex(({ priority }) => priority === place.priority);
      return this.#pickOf(at, place.isDegraded ? 'degraded' : 'healthy', hash, attempt);
    }
    if (shares === undefined && this.#only !== undefined) return this.#only.pick(hash, attempt);
    const point = policy.hashes && hash !== undefined ? remainder(hash, 100) : settings.random.below(100);
    let source: Source = 'healthy';
    const healthy = shares === undefined ? this.#healthy : this.#sharedOut(shares);
    let at = priorityAt(healthy, point);
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

  #sharedOut(shares: PriorityShares): readonly number[] {
    const { overprovisioning, weightedHealth } = this.#policy;
    const capacities = this.#levels.map((level) => ({
      priority: level.priority,
      capacity: capacityOfPriority(level.health(weightedHealth), overprovisioning),
    }));
    return shares.sharesOf(capacities) ?? this.#healthy;
  }

  /** Makes what is missing of `levels`. @returns puts them in force. */
  *#made(levels: readonly Level[], policy: AssignmentPolicy): Steps<() => void> {
    const { panicPercent, runtime } = this.#options;
    const { healthy, degraded, inPanic } = loadOfPriorities(
      levels.map((level) => level.health(policy.weightedHealth)),
      { panicPercent: panicPercentOf(runtime, panicPercent), overprovisioning: policy.overprovisioning },
    );
    for (const [i, level] of levels.entries()) {
      const sources: Source[] = inPanic[i] ? ['all'] : ['healthy'];
      if (!inPanic[i] && degraded[i]! > 0) sources.push('degraded');
      for (const source of sources) {
        if (level.pickers[source] !== undefined) continue;
        const picker = level.pickerOf(source, policy.overprovisioning);
        yield;
        if (picker.ready !== undefined) yield* picker.ready();
        level.pickers[source] = picker;
      }
    }
    return () => {
      this.#levels = levels;
      this.#healthy = healthy;
      this.#healthySum = healthy.reduce((sum, percent) => sum + percent, 0);
      this.#degraded = degraded;
      this.#inPanic = inPanic;
      const full = healthy.indexOf(100);
      this.#only = full !== -1 && !inPanic[full]! ? levels[full]!.pickers.healthy : undefined;
    };
  }
}
