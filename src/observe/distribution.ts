/**
 * What the histograms of one name recorded in all threads together: counts, quantiles, and the
 * difference between two moments, which is what an interval shows.
 */
import {
  BINS_PER_DECADE,
  binStart,
  binWidth,
  countOf,
  DECADES,
  defaultBucketBounds,
  type LogLinearHistogram,
  TOTALS_PART,
  TOTALS_SLOTS,
  ZEROS_AT,
} from './histogram.ts';

/** Quantiles as Envoy prints them on `/stats`. */
export const shownQuantiles: readonly number[] = [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100];

export interface Bin {
  readonly start: number;
  readonly width: number;
  readonly count: number;
}

/** A copy: what is recorded later is not in it. */
export class Distribution {
  readonly #totals = new Float64Array(TOTALS_SLOTS);
  readonly #decades: (Float64Array | undefined)[] = [];

  add(histogram: LogLinearHistogram): void {
    const { totals } = histogram;
    if (totals === undefined) return;
    this.#addPart(this.#totals, totals);
    for (let i = 0; i < DECADES; i++) {
      const decade = histogram.decade(i);
      if (decade === undefined) continue;
      const mine = this.#decades[i] ?? new Float64Array(BINS_PER_DECADE);
      this.#decades[i] = mine;
      this.#addPart(mine, decade);
    }
  }

  /** Records all of it again in `histogram`. */
  giveTo(histogram: LogLinearHistogram): void {
    if (this.count === 0) return;
    histogram.take(TOTALS_PART, this.#totals);
    for (const [i, decade] of this.#decades.entries()) if (decade !== undefined) histogram.take(i, decade);
  }

  /** What came after `earlier`, a copy of the same histograms. */
  since(earlier: Distribution): Distribution {
    const later = new Distribution();
    for (const [i, total] of this.#totals.entries()) later.#totals[i] = total - earlier.#totals[i]!;
    for (const [i, decade] of this.#decades.entries()) {
      const before = earlier.#decades[i];
      later.#decades[i] = before === undefined ? decade : decade?.map((bin, at) => bin - before[at]!);
    }
    return later;
  }

  get count(): number {
    return countOf(this.#totals);
  }

  get sum(): number {
    return this.#totals[0]!;
  }

  /** How many values were at most each of the bounds: exact for {@link defaultBucketBounds}, else by whole bins. */
  cumulativeCounts(bounds: readonly number[] = defaultBucketBounds): number[] {
    if (bounds !== defaultBucketBounds) {
      const bins = [...this.filledBins()];
      return bounds.map((bound) =>
        bins.reduce((sum, { start, width, count }) => (start + width <= bound ? sum + count : sum), 0),
      );
    }
    let below = 0;
    return defaultBucketBounds.map((_, i) => (below += this.#totals[1 + i]!));
  }

  /** Values in the order of {@link shownQuantiles}; NaN where nothing was recorded. */
  quantiles(): number[] {
    // Bins are counted, not the totals: another thread may be between the two.
    let count = this.#totals[ZEROS_AT]!;
    for (const decade of this.#decades) for (const bin of decade ?? []) count += bin;
    if (count === 0) return shownQuantiles.map(() => Number.NaN);
    const found: number[] = [];
    const bins = this.filledBins();
    let bin = bins.next().value!;
    let below = 0;
    for (const quantile of shownQuantiles) {
      const wanted = (quantile / 100) * count;
      while (below + bin.count < wanted) {
        const next = bins.next();
        if (next.done) break;
        below += bin.count;
        bin = next.value;
      }
      const share = Math.min(1, Math.max(0, (wanted - below) / bin.count));
      found.push(bin.start + bin.width * share);
    }
    return found;
  }

  /** Those that anything fell into, from the lowest on. */
  *filledBins(): Generator<Bin, undefined> {
    const zeros = this.#totals[ZEROS_AT]!;
    if (zeros > 0) yield { start: 0, width: 0, count: zeros };
    for (let i = 0; i < DECADES; i++) {
      const decade = this.#decades[i];
      if (decade === undefined) continue;
      for (let at = 0; at < BINS_PER_DECADE; at++) {
        const count = decade[at]!;
        if (count > 0) yield { start: binStart(i, at), width: binWidth(i), count };
      }
    }
  }

  #addPart(to: Float64Array, from: Float64Array): void {
    for (let i = 0; i < from.length; i++) to[i]! += from[i]!;
  }
}
