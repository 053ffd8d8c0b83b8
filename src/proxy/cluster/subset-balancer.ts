/**
 * Chooses among the endpoints whose metadata is what a request asks for, and where there are none what the
 * configuration says (Envoy, "Load Balancer Subsets"). Each subset balances by itself.
 */
import type { Steps } from '#core/time-slice.ts';
import type { Gauge } from '#observe/metrics-contract.ts';
import {
  BALANCING_METADATA,
  criteriaFor,
  criteriaOf,
  type MetadataCriteria,
  mergeCriteria,
  namesKey,
} from '../route/metadata-criteria.ts';
import type { AssignmentPolicy, Balancer, Members } from './balancer.ts';
import type { Endpoint } from './endpoint.ts';
import { isExcluded } from './health.ts';
import { HostSet, type HostSetOptions } from './host-set.ts';
import { type LocalityGroup, localityKey } from './localities.ts';
import type { PickContext } from './pick-context.ts';
import type { ClusterStats } from './stats.ts';
import { meets, subsetKeysOf } from './subset-keys.ts';
import type { SubsetRules, SubsetSelector } from './subset-settings.ts';

/** In the metadata of a request: what to ask for, one after the other. */
const FALLBACK_LIST = 'fallback_list';

/** A subset: endpoints that are balanced, or the only one. */
type Subset = HostSet | Endpoint;

/** What there is for one list of endpoints. */
interface Made {
  readonly subsets: ReadonlyMap<string, Subset>;
  readonly any: HostSet | undefined;
  readonly default: HostSet | undefined;
  readonly duplicates: number;
}

const nothing: Made = { subsets: new Map(), any: undefined, default: undefined, duplicates: 0 };

export class SubsetBalancer implements Balancer {
  endpoints: readonly Endpoint[] = [];
  readonly #rules: SubsetRules;
  readonly #options: HostSetOptions;
  readonly #stats: ClusterStats;
  readonly #duplicates: Gauge;
  /** Fallbacks of selectors, by the names of their keys. */
  readonly #fallbacks: ReadonlyMap<string, SubsetSelector['fallback']>;
  /** Those with most keys first. */
  readonly #byLength: readonly SubsetSelector[];
  #made: Made = nothing;
  /** What is being made for a list that is on its way. */
  readonly #making = new Set<HostSet>();
  #replacements = 0;

  constructor(rules: SubsetRules, options: HostSetOptions, stats: ClusterStats) {
    this.#rules = rules;
    this.#stats = stats;
    this.#options = options;
    this.#fallbacks = fallbacksOf(rules.selectors);
    this.#byLength = rules.selectors.toSorted((a, b) => b.keys.length - a.keys.length);
    this.#duplicates = stats.scope.gauge('lb_subsets_single_host_per_subset_duplicate');
  }

  *replace(endpoints: readonly Endpoint[], policy: AssignmentPolicy): Steps<boolean> {
    const replacement = ++this.#replacements;
    this.#making.clear();
    const made = yield* this.#make(endpoints, policy, () => replacement === this.#replacements);
    if (made === undefined || replacement !== this.#replacements) return false;
    const before = this.#made.subsets;
    this.endpoints = endpoints;
    this.#made = made;
    this.#making.clear();
    this.#count(before, made.subsets);
    this.#duplicates.set(made.duplicates);
    return true;
  }

  #count(before: ReadonlyMap<string, Subset>, now: ReadonlyMap<string, Subset>): void {
    const { lb_subsets_active, lb_subsets_created, lb_subsets_removed } = this.#stats;
    for (const key of now.keys()) if (!before.has(key)) lb_subsets_created.inc();
    for (const key of before.keys()) if (!now.has(key)) lb_subsets_removed.inc();
    lb_subsets_active.add(now.size - before.size);
  }

  *#make(
    endpoints: readonly Endpoint[],
    policy: AssignmentPolicy,
    isWanted: () => boolean,
  ): Steps<Made | undefined> {
    const { selectors, listAsAny, fallback, panicAny } = this.#rules;
    const members = new Map<string, Set<Endpoint>>();
    const singles = new Map<string, Set<Endpoint>>();
    for (const endpoint of endpoints) {
      for (const { keys, isSingle } of selectors) {
        const into = isSingle ? singles : members;
        for (const key of subsetKeysOf(endpoint, keys, listAsAny)) {
          const known = into.get(key);
          if (known === undefined) into.set(key, new Set([endpoint]));
          else known.add(endpoint);
        }
      }
      yield;
    }
    const options = this.#optionsFor(endpoints);
    const subsets = new Map<string, Subset>();
    for (const [key, of] of members) {
      const set = yield* this.#set([...of], policy, options);
      if (!isWanted()) return undefined;
      subsets.set(key, set);
    }
    let duplicates = 0;
    for (const [key, of] of singles) {
      duplicates += of.size - 1;
      const [first] = of;
      subsets.set(key, first!);
    }
    const needs = (what: 'any' | 'default'): boolean =>
      fallback === what || selectors.some((selector) => selector.fallback === what);
    const any = needs('any') || panicAny ? yield* this.#set(endpoints, policy, options) : undefined;
    const chosen = needs('default')
      ? endpoints.filter((endpoint) => meets(endpoint, this.#rules.default, listAsAny))
      : undefined;
    const standard = chosen && (yield* this.#set(chosen, policy, options));
    return { subsets, any, default: standard, duplicates };
  }

  *#set(endpoints: readonly Endpoint[], policy: AssignmentPolicy, options: HostSetOptions): Steps<HostSet> {
    const set = new HostSet(options);
    this.#making.add(set);
    yield* set.replace(endpoints, policy);
    return set;
  }

  /** @param endpoints all there are: how many of a locality are in a subset may change its weight. */
  #optionsFor(endpoints: readonly Endpoint[]): HostSetOptions {
    const { localityWeighted, scalesLocality } = this.#rules;
    const options = {
      ...this.#options,
      localityWeighted: localityWeighted && this.#options.localityWeighted,
    };
    if (!scalesLocality) return options;
    const placeOf = (priority: number, key: string): string => `${priority} ${key}`;
    const sizes = new Map<string, number>();
    for (const { traits } of endpoints) {
      const place = placeOf(traits.priority, localityKey(traits.locality));
      sizes.set(place, (sizes.get(place) ?? 0) + 1);
    }
    const scaleLocality = ({ all, weight, key }: LocalityGroup, priority: number): number =>
      Math.round(Math.fround(weight * all.length) / sizes.get(placeOf(priority, key))!);
    return { ...options, scaleLocality };
  }

  #sets(): HostSet[] {
    const { subsets, any, default: standard } = this.#made;
    return [...subsets.values(), any, standard, ...this.#making].filter((set) => set instanceof HostSet);
  }

  noteChange(): void {
    for (const set of this.#sets()) set.noteChange();
  }

  noteWeights(): void {
    for (const set of this.#sets()) set.noteWeights();
  }

  *refresh(): Steps<void> {
    for (const set of this.#sets()) yield* set.refresh();
  }

  members(): Members {
    let healthy = 0;
    let degraded = 0;
    let excluded = 0;
    for (const endpoint of this.endpoints) {
      if (endpoint.isHealthy) healthy++;
      else if (endpoint.isDegraded) degraded++;
      if (isExcluded(endpoint.flags)) excluded++;
    }
    return { healthy, degraded, excluded };
  }

  pick(context: PickContext): Endpoint | undefined {
    const own = context.metadata?.[BALANCING_METADATA];
    const criteria = own === undefined ? context.criteria : mergeCriteria(context.criteria, criteriaOf(own));
    if (criteria === undefined || !this.#rules.fallbackList) return this.#pickBy(criteria, context);
    const list = criteria.list.find(({ name }) => name === FALLBACK_LIST);
    if (list === undefined) return this.#pickBy(criteria, context);
    const rest = criteriaFor(
      criteria.list.map(({ name }) => name).filter((name) => name !== FALLBACK_LIST),
      criteria,
    );
    const { value } = list;
    const variants = Array.isArray(value) ? (value as readonly (typeof value)[]) : [];
    if (variants.length === 0) return this.#pickBy(rest, context);
    for (const variant of variants) {
      const isObject = variant !== null && typeof variant === 'object' && !Array.isArray(variant);
      const over = criteriaOf(isObject ? (variant as Parameters<typeof criteriaOf>[0]) : {});
      const endpoint = this.#pickBy(mergeCriteria(rest, over), context);
      if (endpoint !== undefined) return endpoint;
    }
    return undefined;
  }

  #pickBy(wanted: MetadataCriteria | undefined, context: PickContext): Endpoint | undefined {
    const stats = this.#stats;
    const made = this.#made;
    if (wanted !== undefined) {
      const criteria = this.#rules.allowsRedundant ? this.#relevant(wanted) : wanted;
      const subset = made.subsets.get(criteria.key);
      if (subset !== undefined) {
        stats.lb_subsets_selected.inc();
        return subset instanceof HostSet ? subset.pick(context) : subset;
      }
      const fallback = this.#fallbacks.get(criteria.names);
      if (fallback === 'none') return undefined;
      if (fallback === 'any') return made.any?.pick(context);
      if (fallback === 'default') return made.default?.pick(context);
      if (fallback !== undefined) return this.#pickBy(criteriaFor(fallback.keys, criteria), context);
    }
    const { fallback } = this.#rules;
    if (fallback === 'none') return undefined;
    const endpoint = (fallback === 'any' ? made.any : made.default)?.pick(context);
    if (endpoint !== undefined) {
      stats.lb_subsets_fallback.inc();
      return endpoint;
    }
    if (!this.#rules.panicAny) return undefined;
    const other = made.any?.pick(context);
    if (other !== undefined) stats.lb_subsets_fallback_panic.inc();
    return other;
  }

  /** What the first of the longest selectors that it has all keys of is about. */
  #relevant(criteria: MetadataCriteria): MetadataCriteria {
    const names = new Set(criteria.list.map(({ name }) => name));
    const selector = this.#byLength.find(({ keys }) => keys.every((key) => names.has(key)));
    return selector === undefined ? criteria : criteriaFor(selector.keys, criteria);
  }
}

/** As in Envoy, a selector whose keys begin a longer one that stands before it has no fallback of its own. */
function fallbacksOf(selectors: readonly SubsetSelector[]): Map<string, SubsetSelector['fallback']> {
  const fallbacks = new Map<string, SubsetSelector['fallback']>();
  for (const { keys, fallback } of selectors) {
    for (let length = 1; length <= keys.length; length++) {
      const names = namesKey(keys.slice(0, length));
      if (!fallbacks.has(names)) fallbacks.set(names, length === keys.length ? fallback : undefined);
    }
  }
  return fallbacks;
}
