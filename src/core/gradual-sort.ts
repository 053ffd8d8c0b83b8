/** Merge sort in steps: stable, and quick where the items come in long runs that are in order already. */
import type { Steps } from './time-slice.ts';

/** Sorted in one go: a few tens of microseconds. */
const RUN_ITEMS = 128;
const ITEMS_A_STEP = 512;

/** @param compare as for `Array.prototype.sort`. */
export function* sortSteps<T>(
  items: readonly T[],
  compare: (a: T, b: T) => number,
  runItems: number = RUN_ITEMS,
): Steps<T[]> {
  let runs: T[][] = [];
  for (let at = 0; at < items.length; at += runItems) {
    runs.push(items.slice(at, at + runItems).sort(compare));
    yield;
  }
  while (runs.length > 1) {
    const merged: T[][] = [];
    for (let i = 0; i < runs.length; i += 2) {
      const other = runs[i + 1];
      merged.push(other === undefined ? runs[i]! : yield* merge(runs[i]!, other, compare));
    }
    runs = merged;
  }
  return runs[0] ?? [];
}

function* merge<T>(first: readonly T[], second: readonly T[], compare: (a: T, b: T) => number): Steps<T[]> {
  if (compare(first.at(-1)!, second[0]!) <= 0) return yield* appended(first, second);
  const merged: T[] = [];
  let left = 0;
  let right = 0;
  while (left < first.length && right < second.length) {
    merged.push(compare(first[left]!, second[right]!) <= 0 ? first[left++]! : second[right++]!);
    if (merged.length % ITEMS_A_STEP === 0) yield;
  }
  for (; left < first.length; left++) merged.push(first[left]!);
  for (; right < second.length; right++) merged.push(second[right]!);
  return merged;
}

function* appended<T>(first: readonly T[], second: readonly T[]): Steps<T[]> {
  const all = first.concat(second);
  yield;
  return all;
}
