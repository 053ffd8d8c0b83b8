/**
 * How much of the traffic each priority of a cluster gets, for its healthy and for its degraded endpoints, and which
 * of them are in panic: whole percents, computed and rounded as Envoy does ("Priority levels", "Degraded endpoints",
 * "Panic threshold").
 */
import type { RuntimeValues } from '../runtime/values.ts';

/** Endpoints of one priority, or with `weighted_priority_health` what `available` is computed of. */
export interface PriorityHealth {
  readonly healthy: number;
  readonly degraded: number;
  /** Those that ought to be healthy: all without the excluded. */
  readonly counted: number;
  readonly total: number;
  /** Weights, where health is a matter of these. */
  readonly weights?: { readonly healthy: number; readonly degraded: number; readonly counted: number };
  /** Takes the place of that of the rules. */
  readonly overprovisioning?: number;
}

export interface PriorityLoad {
  /** Percents; both lists together have a sum of 100. */
  readonly healthy: readonly number[];
  readonly degraded: readonly number[];
  /** Whether a priority uses all of its endpoints, because too few of them are available. */
  readonly inPanic: readonly boolean[];
}

export interface LoadRules {
  /** Whole percents of endpoints that are available; a priority with less is in panic. */
  readonly panicPercent: number;
  /** Percents: 140 says that 1.4 times the ratio of available endpoints counts as capacity. */
  readonly overprovisioning: number;
}

/** Envoy's over-provisioning factor in percent. */
export const OVERPROVISIONING = 140;

/** The threshold of panic that is in force, in whole percents: as Envoy does, it is asked for when loads are computed. */
export function panicPercentOf(runtime: RuntimeValues, byDefault: number): number {
  return Math.min(100, runtime.integer('upstream.healthy_panic_threshold', byDefault));
}

export function loadOfPriorities(priorities: readonly PriorityHealth[], rules: LoadRules): PriorityLoad {
  const { panicPercent } = rules;
  const healthy: number[] = [];
  const degraded: number[] = [];
  let sum = 0;
  for (const priority of priorities) {
    const of = priority.weights ?? priority;
    const overprovisioning = priority.overprovisioning ?? rules.overprovisioning;
    const ok = capacityOf(of.healthy, of.counted, overprovisioning);
    const poor = capacityOf(of.degraded, of.counted, overprovisioning);
    healthy.push(ok);
    degraded.push(poor);
    sum += ok + poor;
  }
  const available = Math.min(100, sum);
  const nothing = priorities.map(() => 0);
  // Nothing available and no panic allowed: the first priority fails them all.
  if (available === 0 && panicPercent === 0) {
    return { healthy: nothing.with(0, 100), degraded: nothing, inPanic: priorities.map(() => false) };
  }
  const inPanic = priorities.map((of) => available < 100 && isPoor(of, panicPercent));
  if (inPanic.every((panics) => panics)) return { healthy: bySize(priorities), degraded: nothing, inPanic };
  if (available === 0) return { healthy: nothing.with(0, 100), degraded: nothing, inPanic };
  return { ...distributeAll(healthy, degraded, available), inPanic };
}

/** Percents of all traffic that a priority can take, with healthy and with degraded endpoints. */
export function capacityOfPriority(priority: PriorityHealth, overprovisioning: number): number {
  const of = priority.weights ?? priority;
  return (
    capacityOf(of.healthy, of.counted, overprovisioning) +
    capacityOf(of.degraded, of.counted, overprovisioning)
  );
}

function capacityOf(part: number, whole: number, overprovisioning: number): number {
  return whole === 0 ? 0 : Math.min(100, Math.floor((overprovisioning * part) / whole));
}

/** Whether fewer than `panicPercent` of the endpoints that count are available. */
export function isPoor({ healthy, degraded, counted }: PriorityHealth, panicPercent: number): boolean {
  if (counted === 0) return panicPercent > 0;
  return (100 * healthy) / counted + (100 * degraded) / counted < panicPercent;
}

/** 0 to 1: what `part` of `counted` endpoints can take of what all of them could. */
export function capacityRatio(part: number, counted: number, overprovisioning: number): number {
  return counted === 0 ? 0 : Math.min(1, (overprovisioning / 100) * (part / counted));
}

/** First to what is healthy, then to what is degraded; what rounding left over to the first that takes any. */
function distributeAll(
  healthyCapacity: readonly number[],
  degradedCapacity: readonly number[],
  available: number,
): { healthy: number[]; degraded: number[] } {
  const healthy: number[] = [];
  const left = distribute(healthyCapacity, available, 100, healthy);
  const degraded: number[] = [];
  const over = distribute(degradedCapacity, available, left, degraded);
  // Lists that were pushed to have room for more, in each of thousands of clusters.
  if (over === 0) return { healthy: healthy.slice(), degraded: degraded.slice() };
  const first = healthyCapacity.findIndex((percent) => percent > 0);
  if (first !== -1) healthy[first]! += over;
  else degraded[degradedCapacity.findIndex((percent) => percent > 0)]! += over;
  return { healthy, degraded };
}

/** To the first priorities as much as they can take. @returns what is left of `load`. */
function distribute(capacity: readonly number[], available: number, load: number, into: number[]): number {
  let left = load;
  for (const percent of capacity) {
    const share = Math.min(left, Math.floor((percent * 100) / available));
    left -= share;
    into.push(share);
  }
  return left;
}

/** Where every priority is in panic, each gets what its number of endpoints says. */
function bySize(priorities: readonly PriorityHealth[]): number[] {
  const all = priorities.reduce((sum, { total }) => sum + total, 0);
  if (all === 0) return priorities.map((_, i) => (i === 0 ? 100 : 0));
  const load = priorities.map(({ total }) => Math.floor((100 * total) / all));
  const first = priorities.findIndex(({ total }) => total > 0);
  load[first]! += 100 - load.reduce((sum, percent) => sum + percent, 0);
  return load;
}

/**
 * The priority a hash, or a random number, belongs to; -1 where it is beyond them all.
 *
 * @param point 0 to 99, less the sum of what came before.
 */
export function priorityAt(load: readonly number[], point: number): number {
  let end = 0;
  for (let i = 0; i < load.length; i++) {
    end += load[i]!;
    if (point < end) return i;
  }
  return -1;
}
