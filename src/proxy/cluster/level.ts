/** The endpoints of one priority, and what chooses among them; that is made for the sources which get traffic. */
import type { Picker, PolicyDefinition, PolicySettings } from '../balance/contract.ts';
import { WeightedOrder } from '../balance/weighted-order.ts';
import type { Endpoint } from './endpoint.ts';
import { flatWeights, localityWeights } from './endpoint-weight.ts';
import { effectiveWeight, groupByLocality, type Localities, type LocalityGroup } from './localities.ts';
import { PriorityMembers } from './priority-members.ts';
import { ANY, NOWHERE, type ZoneDeps, ZoneRouting, type ZoneRules } from './zone-routing.ts';

export type Source = 'all' | 'healthy' | 'degraded';

/** How one of the endpoints of a priority is chosen. */
export interface LevelRules {
  readonly policy: PolicyDefinition;
  readonly settings: PolicySettings;
  /** Whether the weights of localities count. */
  readonly localityWeighted: boolean;
  /** Key of the place of this proxy; undefined where it is unknown. */
  readonly ownLocality: string | undefined;
  /** Of subsets: the weight of a locality in a priority. */
  readonly scaleLocality?: ((group: LocalityGroup, priority: number) => number) | undefined;
  /** Undefined where zones do not matter. */
  readonly zones: { readonly rules: ZoneRules; readonly deps: ZoneDeps } | undefined;
}

export class Level extends PriorityMembers {
  readonly pickers: { [S in Source]?: Picker<Endpoint> } = {};
  readonly #rules: LevelRules;
  #localities: Localities | undefined;
  #zones: ZoneRouting | undefined;

  constructor(priority: number, all: readonly Endpoint[], rules: LevelRules) {
    super(priority, all);
    this.#rules = rules;
  }

  get localities(): Localities {
    const { ownLocality, scaleLocality } = this.#rules;
    this.#localities ??= groupByLocality(
      this.all,
      ownLocality,
      scaleLocality && ((group) => scaleLocality(group, this.priority)),
    );
    return this.#localities;
  }

  hasSameHealthAs(other: Level): boolean {
    return (
      this.excluded === other.excluded &&
      haveSame(this.healthy, other.healthy) &&
      haveSame(this.degraded, other.degraded)
    );
  }

  /** @param overprovisioning percents */
  pickerOf(source: Source, overprovisioning: number): Picker<Endpoint> {
    const { policy, settings, localityWeighted, zones } = this.#rules;
    if (policy.hashes) {
      if (!localityWeighted) return this.#flat(this[source]);
      // Tables hold healthy endpoints, or all of them.
      const of = source === 'degraded' ? 'healthy' : source;
      const { endpoints, weights } = localityWeights(this.localities.groups, of);
      return policy.build(endpoints, weights, settings);
    }
    if (source === 'all') return this.#flat(this.all);
    if (localityWeighted) return this.#byLocality(source, overprovisioning) ?? this.#flat(this[source]);
    return zones === undefined || this.priority > 0 ? this.#flat(this[source]) : this.#byZone(source, zones);
  }

  #flat(endpoints: readonly Endpoint[]): Picker<Endpoint> {
    const { policy, settings } = this.#rules;
    return policy.build(endpoints, flatWeights(endpoints), settings);
  }

  /** Undefined where no locality with a weight has an endpoint to choose. */
  #byLocality(source: 'healthy' | 'degraded', overprovisioning: number): Picker<Endpoint> | undefined {
    const weighted = this.localities.groups
      .map((group) => ({ group, weight: effectiveWeight(group, source, overprovisioning) }))
      .filter(({ weight }) => weight > 0);
    if (weighted.length === 0) return undefined;
    const pickers = weighted.map(({ group }) => this.#flat(group[source]));
    if (pickers.length === 1) return pickers[0];
    const weightAt = (at: number): number => weighted[at]!.weight;
    const order = new WeightedOrder();
    const from = this.#rules.settings.random.below(weighted.length);
    for (let i = 0; i < weighted.length; i++) {
      const at = (from + i) % weighted.length;
      order.add(at, weightAt(at));
    }
    return { pick: (hash, attempt) => pickers[order.next(weightAt)]!.pick(hash, attempt) };
  }

  #byZone(
    source: 'healthy' | 'degraded',
    { rules, deps }: NonNullable<LevelRules['zones']>,
  ): Picker<Endpoint> {
    const any = this.#flat(this[source]);
    this.#zones ??= new ZoneRouting(this.localities, rules, deps);
    const zones = this.#zones;
    const pickers = this.localities.groups.map((group) => this.#flat(group[source]));
    return {
      pick(hash, attempt) {
        const at = zones.choose();
        if (at === NOWHERE) return undefined;
        return (at === ANY ? any : pickers[at]!).pick(hash, attempt);
      },
    };
  }
}

function haveSame(one: readonly Endpoint[], other: readonly Endpoint[]): boolean {
  return one.length === other.length && one.every((endpoint, i) => endpoint === other[i]);
}
