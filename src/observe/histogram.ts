/**
 * A log-linear histogram: 90 bins a decade, so that any quantile is within 10 % of the truth, in
 * 12 KB once something was recorded. Prometheus' buckets are counted beside them, exactly.
 *
 * Source: circllhist (https://arxiv.org/abs/2001.06561), with a fixed range instead of a sparse one.
 */
import type { Histogram } from './metrics-contract.ts';

const BINS_PER_DECADE = 90;
/** Lowest and highest powers of ten with bins of their own; what lies outside goes to the outermost bin. */
const LOWEST_EXPONENT = -2;
const HIGHEST_EXPONENT = 8;
const BINS = 1 + (HIGHEST_EXPONENT - LOWEST_EXPONENT + 1) * BINS_PER_DECADE;

/** Quantiles as Envoy prints them on `/stats`. */
export const shownQuantiles: readonly number[] = [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100];

/** Envoy's buckets for a histogram without configuration of its own (also Istio's, in milliseconds). */
export const defaultBucketBounds: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
  3_600_000,
];

/** Bin 0 holds zero and below. Bins of 1 to 9.9 start at every tenth of the power of ten. */
function binOf(value: number): number {
  if (!(value > 0)) return 0;
  let exponent = Math.floor(Math.log10(value));
  if (exponent < LOWEST_EXPONENT) return 1;
  if (exponent > HIGHEST_EXPONENT) return BINS - 1;
  // The tiny factor keeps 0.3 (0.29999...) in the bin that starts at 0.3.
  let mantissa = Math.floor((value / 10 ** exponent) * 10 * (1 + 1e-12));
  if (mantissa >= 100) {
    mantissa = 10;
    exponent += 1;
    if (exponent > HIGHEST_EXPONENT) return BINS - 1;
  }
  return 1 + (exponent - LOWEST_EXPONENT) * BINS_PER_DECADE + Math.max(0, mantissa - 10);
}

function binStart(bin: number): number {
  if (bin === 0) return 0;
  const exponent = Math.floor((bin - 1) / BINS_PER_DECADE) + LOWEST_EXPONENT;
  const mantissa = ((bin - 1) % BINS_PER_DECADE) + 10;
  return exponent <= 1 ? mantissa / 10 ** (1 - exponent) : mantissa * 10 ** (exponent - 1);
}

function binWidth(bin: number): number {
  if (bin === 0) return 0;
  const exponent = Math.floor((bin - 1) / BINS_PER_DECADE) + LOWEST_EXPONENT;
  return exponent <= 1 ? 1 / 10 ** (1 - exponent) : 10 ** (exponent - 1);
}

/** Counts for given bounds only: what Istio's metrics with many label rows can afford. */
export class BucketHistogram implements Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: Float64Array;
  #sum = 0;
  #count = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  get count(): number {
    return this.#count;
  }
  get sum(): number {
    return this.#sum;
  }

  record(value: number): void {
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++;
    this.#counts[bucket]! += 1;
    this.#sum += value;
    this.#count += 1;
  }

  cumulativeCounts(): number[] {
    let below = 0;
    return this.#bounds.map((_, i) => (below += this.#counts[i]!));
  }
}

/** Recorded values, since the start and in the last finished interval (Envoy: 5 s). */
export class LogLinearHistogram implements Histogram {
  #all: Float64Array | undefined;
  #open: Uint32Array | undefined;
  #openCount = 0;
  #lastInterval: Uint32Array | undefined;
  #lastIntervalCount = 0;
  /** Exact at the bounds Prometheus shows, where bins would round. */
  readonly #buckets = new BucketHistogram(defaultBucketBounds);

  get count(): number {
    return this.#buckets.count;
  }
  get sum(): number {
    return this.#buckets.sum;
  }

  record(value: number): void {
    if (this.#all === undefined || this.#open === undefined) {
      this.#all = new Float64Array(BINS);
      this.#open = new Uint32Array(BINS);
    }
    const bin = binOf(value);
    this.#all[bin]! += 1;
    this.#open[bin]! += 1;
    this.#openCount += 1;
    this.#buckets.record(value);
  }

  /** Ends the running interval; its quantiles are shown until the next call. */
  endInterval(): void {
    if (this.#openCount === 0 && this.#lastIntervalCount === 0) return;
    const finished = this.#open;
    this.#open = this.#lastInterval?.fill(0) ?? new Uint32Array(BINS);
    this.#lastInterval = finished;
    this.#lastIntervalCount = this.#openCount;
    this.#openCount = 0;
  }

  /** Values in the order of {@link shownQuantiles}; NaN where nothing was recorded. */
  quantiles(): { readonly interval: readonly number[]; readonly all: readonly number[] } {
    return {
      interval: quantilesOf(this.#lastInterval, this.#lastIntervalCount),
      all: quantilesOf(this.#all, this.count),
    };
  }

  /** How many values were at most each of {@link defaultBucketBounds}. */
  cumulativeCounts(): number[] {
    return this.#buckets.cumulativeCounts();
  }
}

function quantilesOf(bins: ArrayLike<number> | undefined, count: number): number[] {
  const found: number[] = [];
  let bin = 0;
  let below = 0;
  for (const quantile of shownQuantiles) {
    if (bins === undefined || count === 0) {
      found.push(Number.NaN);
      continue;
    }
    const wanted = (quantile / 100) * count;
    while (bin < BINS - 1 && (bins[bin] === 0 || below + bins[bin]! < wanted)) below += bins[bin++]!;
    const inBin = bins[bin]!;
    const share = inBin === 0 ? 0 : Math.min(1, Math.max(0, (wanted - below) / inBin));
    found.push(binStart(bin) + binWidth(bin) * share);
  }
  return found;
}
