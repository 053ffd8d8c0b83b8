/**
 * Which locality a request goes to where requests are to stay in the zone they come from, as far as that loads no
 * zone with more than its share (Envoy, "Zone aware routing").
 */
import type { Random } from '#core/random.ts';
import type { RuntimeValues } from '../runtime/values.ts';
import type { Localities, LocalityGroup } from './localities.ts';
import { panicPercentOf } from './priority-load.ts';
import type { ClusterStats } from './stats.ts';

export interface ZoneRules {
  /** Whole percents: how many requests this is done for. */
  readonly routingEnabled: number;
  /** A cluster with fewer healthy endpoints goes without. */
  readonly minClusterSize: number;
  /** With so many healthy endpoints the own zone gets everything; undefined: it gets what is its share. */
  readonly forceMinSize: number | undefined;
  /** Whether endpoints count by their weights. */
  readonly byWeight: boolean;
}

/** The cluster that this proxy is an endpoint of. */
export interface LocalCluster {
  /** Another one after each change. */
  readonly version: number;
  /** Of its first priority. */
  localities(): Localities;
  isInPanic(panicPercent: number): boolean;
}

export interface ZoneDeps {
  readonly random: Random;
  readonly stats: ClusterStats;
  readonly panicPercent: number;
  /** May say otherwise of that. */
  readonly runtime: RuntimeValues;
  readonly failsInPanic: boolean;
  local(): LocalCluster | undefined;
}

/** Where a request goes that has no locality: to any endpoint, or nowhere. */
export const ANY = -1;
export const NOWHERE = -2;

/** Shares are counted in these. */
const WHOLE = 10_000;

interface Share {
  readonly local: number;
  readonly upstream: number;
}

export class ZoneRouting {
  readonly #rules: ZoneRules;
  readonly #deps: ZoneDeps;
  readonly #upstream: Localities;
  #version: number | undefined;
  #kind: 'none' | 'direct' | 'residual' = 'none';
  /** Of {@link WHOLE}: how many of the requests stay. */
  #stay = 0;
  /** Of each locality and those before it, what they can take beyond their share. */
  #residual: readonly number[] = [];

  /** @param upstream of the first priority of the cluster */
  constructor(upstream: Localities, rules: ZoneRules, deps: ZoneDeps) {
    this.#upstream = upstream;
    this.#rules = rules;
    this.#deps = deps;
  }

  /** @returns number of a locality, {@link ANY} or {@link NOWHERE} */
  choose(): number {
    const { random, stats, panicPercent, failsInPanic, runtime } = this.#deps;
    const local = this.#deps.local();
    if (local === undefined) return ANY;
    if (local.version !== this.#version) this.#regenerate(local);
    if (this.#kind === 'none') return ANY;
    const { routingEnabled } = this.#rules;
    if (routingEnabled < 100 && random.below(100) >= routingEnabled) return ANY;
    if (local.isInPanic(panicPercentOf(runtime, panicPercent))) {
      stats.lb_local_cluster_not_ok.inc();
      return failsInPanic ? NOWHERE : ANY;
    }
    if (this.#kind === 'direct') {
      stats.lb_zone_routing_all_directly.inc();
      return 0;
    }
    if (random.below(WHOLE) < this.#stay) {
      stats.lb_zone_routing_sampled.inc();
      return 0;
    }
    stats.lb_zone_routing_cross_zone.inc();
    const capacity = this.#residual.at(-1)!;
    if (capacity === 0) {
      stats.lb_zone_no_capacity_left.inc();
      return random.below(this.#residual.length);
    }
    const point = random.below(capacity);
    return this.#residual.findIndex((end) => point < end);
  }

  #regenerate(local: LocalCluster): void {
    this.#version = local.version;
    this.#deps.stats.lb_recalculate_zone_structures.inc();
    const upstream = this.#upstream;
    const own = local.localities();
    this.#kind = 'none';
    if (!this.#isWorthwhile(own)) return;
    const shares = sharesOf(own.groups, upstream.groups, this.#rules.byWeight);
    const first = upstream.hasOwn ? shares[0] : undefined;
    if (first !== undefined && first.upstream > 0 && this.#keepsAll(first)) {
      this.#kind = 'direct';
      return;
    }
    this.#kind = 'residual';
    this.#stay =
      first !== undefined && first.local > 0 ? Math.floor((first.upstream * WHOLE) / first.local) : 0;
    let sum = 0;
    this.#residual = shares.map((share, i) => {
      if (!(i === 0 && upstream.hasOwn)) sum += Math.max(0, share.upstream - share.local);
      return sum;
    });
  }

  #isWorthwhile(own: Localities): boolean {
    const { groups } = this.#upstream;
    const { stats } = this.#deps;
    if (groups.length < 2 || own.groups.length < 2) return false;
    if (!own.hasOwn) {
      stats.lb_local_cluster_not_ok.inc();
      return false;
    }
    const healthy = groups.reduce((sum, group) => sum + group.healthy.length, 0);
    if (healthy >= this.#rules.minClusterSize) return true;
    stats.lb_zone_cluster_too_small.inc();
    return false;
  }

  #keepsAll({ local, upstream }: Share): boolean {
    const { forceMinSize } = this.#rules;
    if (upstream >= local) return true;
    return forceMinSize !== undefined && this.#upstream.groups[0]!.healthy.length >= forceMinSize;
  }
}

function sharesOf(
  local: readonly LocalityGroup[],
  upstream: readonly LocalityGroup[],
  byWeight: boolean,
): Share[] {
  const size = ({ healthy }: LocalityGroup): number =>
    byWeight ? healthy.reduce((sum, { traits }) => sum + traits.weight, 0) : healthy.length;
  const locals = new Map(local.map((group) => [group.key, size(group)]));
  const allLocal = [...locals.values()].reduce((sum, count) => sum + count, 0);
  const allUpstream = upstream.reduce((sum, group) => sum + size(group), 0);
  const share = (part: number, whole: number): number =>
    whole === 0 ? 0 : Math.floor((WHOLE * part) / whole);
  return upstream.map((group) =>
    group.healthy.length === 0
      ? { local: 0, upstream: 0 }
      : { local: share(locals.get(group.key) ?? 0, allLocal), upstream: share(size(group), allUpstream) },
  );
}
