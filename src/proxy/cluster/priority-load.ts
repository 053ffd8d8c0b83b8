/**
 * How much of the traffic each priority of a cluster gets, and which of them are in panic: whole
 * percents, computed and rounded as Envoy does ("Priority levels", "Panic threshold").
 */

export interface PriorityHealth {
  readonly healthy: number;
  readonly total: number;
}

export interface PriorityLoad {
  /** Percents, with a sum of 100. */
  readonly load: readonly number[];
  /** Whether a priority uses all of its endpoints, because too few of them are healthy. */
  readonly inPanic: readonly boolean[];
}

/** Envoy's over-provisioning factor in percent: 1.4 times the ratio of healthy endpoints counts as capacity. */
export const OVERPROVISIONING = 140;

/** @param panicThreshold 0 to 1: the ratio of healthy endpoints below which a priority is in panic. */
export function loadOfPriorities(
  priorities: readonly PriorityHealth[],
  panicThreshold: number,
): PriorityLoad {
  const capacity = priorities.map(({ healthy, total }) => capacityOf(healthy, total));
  const available = Math.min(
    100,
    capacity.reduce((sum, percent) => sum + percent, 0),
  );
  const inPanic = priorities.map(
    ({ healthy, total }) => available < 100 && (total === 0 ? 0 : healthy / total) < panicThreshold,
  );
  // Nothing healthy and no panic allowed: the first priority fails them all.
  if (available === 0 && panicThreshold === 0) {
    return { load: priorities.map((_, i) => (i === 0 ? 100 : 0)), inPanic: inPanic.map(() => false) };
  }
  if (inPanic.every((panics) => panics)) return { load: bySize(priorities), inPanic };
  return { load: distribute(capacity, available), inPanic };
}

function capacityOf(healthy: number, total: number): number {
  return total === 0 ? 0 : Math.min(100, Math.floor((OVERPROVISIONING * healthy) / total));
}

/** 0 to 1: what `healthy` of `total` endpoints can take of what all of them could. */
export function capacityRatio(healthy: number, total: number): number {
  return Math.min(1, ((OVERPROVISIONING / 100) * healthy) / total);
}

/** To the first priorities as much as they can take; what rounding left over to the first that takes any. */
function distribute(capacity: readonly number[], available: number): number[] {
  let left = 100;
  const load = capacity.map((percent) => {
    const share = Math.min(left, Math.floor((percent * 100) / available));
    left -= share;
    return share;
  });
  const first = capacity.findIndex((percent) => percent > 0);
  if (first !== -1) load[first]! += left;
  return load;
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
 * The priority a hash, or a random number, belongs to.
 *
 * @param point 0 to 99.
 */
export function priorityAt(load: readonly number[], point: number): number {
  let end = 0;
  for (let i = 0; i < load.length; i++) {
    end += load[i]!;
    if (point < end) return i;
  }
  return -1;
}
