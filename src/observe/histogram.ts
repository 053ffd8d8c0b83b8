/**
 * A log-linear histogram: 90 bins a decade, so that any quantile is within 10 % of the truth, in
 * 720 bytes for each decade that values fell into. Prometheus' buckets are counted beside them, exactly.
 *
 * Source: circllhist (https://arxiv.org/abs/2001.06561), with a fixed range instead of a sparse one.
 */
import type { Histogram } from './metrics-contract.ts';
import { type AllocateSlots, ownSlots } from './slots.ts';

export const BINS_PER_DECADE = 90;
/** Lowest and highest powers of ten with bins of their own; what lies outside goes to the outermost bin. */
const LOWEST_EXPONENT = -2;
const HIGHEST_EXPONENT = 8;
export const DECADES: number = HIGHEST_EXPONENT - LOWEST_EXPONENT + 1;

/** Envoy's buckets for a histogram without configuration of its own (also Istio's, in milliseconds). */
export const defaultBucketBounds: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
  3_600_000,
];

/** Index over all decades; -1 holds zero and below. Bins of 1 to 9.9 start at every tenth of the power of ten. */
function binOf(value: number): number {
  if (!(value > 0)) return -1;
  let exponent = Math.floor(Math.log10(value));
  if (exponent < LOWEST_EXPONENT) return 0;
  if (exponent > HIGHEST_EXPONENT) return DECADES * BINS_PER_DECADE - 1;
  // The tiny factor keeps 0.3 (0.29999...) in the bin that starts at 0.3.
  let mantissa = Math.floor((value / 10 ** exponent) * 10 * (1 + 1e-12));
  if (mantissa >= 100) {
    mantissa = 10;
    exponent += 1;
    if (exponent > HIGHEST_EXPONENT) return DECADES * BINS_PER_DECADE - 1;
  }
  return (exponent - LOWEST_EXPONENT) * BINS_PER_DECADE + Math.max(0, mantissa - 10);
}

/** Where the bin at `index` of a decade begins. */
export function binStart(decade: number, index: number): number {
  const exponent = decade + LOWEST_EXPONENT;
  const mantissa = index + 10;
  return exponent <= 1 ? mantissa / 10 ** (1 - exponent) : mantissa * 10 ** (exponent - 1);
}

export function binWidth(decade: number): number {
  const exponent = decade + LOWEST_EXPONENT;
  return exponent <= 1 ? 1 / 10 ** (1 - exponent) : 10 ** (exponent - 1);
}

/** Slots of a {@link BucketHistogram}: the sum, a count for each bound, and one for what lies above. */
export function bucketSlots(bounds: readonly number[]): number {
  return bounds.length + 2;
}

/** Counts for given bounds only: what Istio's metrics with many label rows can afford. */
export class BucketHistogram implements Histogram {
  readonly #bounds: readonly number[];
  readonly #slots: Float64Array;
  readonly #at: number;

  constructor(bounds: readonly number[], slots: Float64Array, at: number) {
    this.#bounds = bounds;
    this.#slots = slots;
    this.#at = at;
  }

  record(value: number): void {
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++;
    this.#slots[this.#at + 1 + bucket]! += 1;
    this.#slots[this.#at]! += value;
  }

  /** Adds what was recorded here, slot by slot: the sum, then the buckets. */
  addTo(total: Float64Array): void {
    for (let i = 0; i < this.#bounds.length + 2; i++) total[i]! += this.#slots[this.#at + i]!;
  }

  /** Takes in what was recorded elsewhere, in the form of {@link addTo}. */
  take(total: Float64Array): void {
    for (let i = 0; i < this.#bounds.length + 2; i++) this.#slots[this.#at + i]! += total[i]!;
  }
}

/** Part of a histogram: its totals, or the bins of a decade from 0 on. */
export const TOTALS_PART = -1;
/** Totals: the slots of the buckets, then the number of values at or below zero. */
export const TOTALS_SLOTS: number = bucketSlots(defaultBucketBounds) + 1;
export const ZEROS_AT: number = TOTALS_SLOTS - 1;

/** How many values these totals are of. */
export function countOf(totals: Float64Array): number {
  let count = 0;
  for (let i = 1; i < ZEROS_AT; i++) count += totals[i]!;
  return count;
}

export type PartMade = (part: number, slots: Float64Array) => void;

/** Recorded values since the start. Memory is taken when something is recorded. */
export class LogLinearHistogram implements Histogram {
  readonly #allocate: AllocateSlots;
  readonly #made: PartMade | undefined;
  readonly #decades: (Float64Array | undefined)[] = [];
  #totals: Float64Array | undefined;
  /** Exact at the bounds Prometheus shows, where bins would round. */
  #buckets: BucketHistogram | undefined;

  /** @param made is told each part when its memory is taken. */
  constructor(allocate: AllocateSlots = ownSlots, made?: PartMade) {
    this.#allocate = allocate;
    this.#made = made;
  }

  get totals(): Float64Array | undefined {
    return this.#totals;
  }

  get count(): number {
    return this.#totals === undefined ? 0 : countOf(this.#totals);
  }

  decade(index: number): Float64Array | undefined {
    return this.#decades[index];
  }

  record(value: number): void {
    const bin = binOf(value);
    const buckets = this.#buckets ?? this.#begin();
    if (bin === -1) this.#totals![ZEROS_AT]! += 1;
    else {
      const index = Math.floor(bin / BINS_PER_DECADE);
      const decade = this.#decades[index] ?? this.#beginDecade(index);
      decade[bin - index * BINS_PER_DECADE]! += 1;
    }
    buckets.record(value);
  }

  /** Puts memory in the place of a part: this histogram shows what another thread records. */
  show(part: number, slots: Float64Array): void {
    if (part !== TOTALS_PART) {
      this.#decades[part] = slots;
      return;
    }
    this.#totals = slots;
    this.#buckets = new BucketHistogram(defaultBucketBounds, slots, 0);
  }

  /** Adds counts to those of a part. */
  take(part: number, counts: Float64Array): void {
    if (part === TOTALS_PART) this.#buckets ?? this.#begin();
    const slots = part === TOTALS_PART ? this.#totals! : (this.#decades[part] ?? this.#beginDecade(part));
    for (let i = 0; i < slots.length; i++) slots[i]! += counts[i]!;
  }

  #begin(): BucketHistogram {
    const totals = this.#allocate(TOTALS_SLOTS);
    this.show(TOTALS_PART, totals);
    this.#made?.(TOTALS_PART, totals);
    return this.#buckets!;
  }

  #beginDecade(index: number): Float64Array {
    const decade = this.#allocate(BINS_PER_DECADE);
    this.#decades[index] = decade;
    this.#made?.(index, decade);
    return decade;
  }
}
