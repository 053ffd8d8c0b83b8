/** Histograms on `/stats`, in the forms of `histogram_buckets`. */
import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import { type Bin, shownQuantiles } from '#observe/distribution.ts';
import { type Stat, statLine } from '#observe/stat.ts';
import { type LazyJson, type LazyList, LazyObject } from './json-pieces.ts';

export const bucketModes = ['summary', 'cumulative', 'disjoint', 'detailed'] as const;

export type BucketMode = (typeof bucketModes)[number];

type HistogramStat = Extract<Stat, { kind: 'histogram' }>;

export function histogramText(stat: HistogramStat, mode: BucketMode): string {
  const { name, histogram } = stat;
  if (mode === 'summary' || histogram.count === 0) return statLine(stat);
  if (mode === 'detailed') {
    const { interval, all } = histogram.bins();
    const summary = statLine(stat).slice(name.length + 2);
    return `${name}:\n  totals=${binsText(all)}\n  intervals=${binsText(interval)}\n  summary=${summary}`;
  }
  const { bounds, interval, all } = counts(stat, mode);
  const buckets = bounds.map((bound, i) => `B${boundText(bound)}(${interval[i]},${all[i]})`);
  return `${name}: ${buckets.join(' ')}`;
}

/** As C++ writes a number. */
function boundText(bound: number): string {
  return bound < 1e6 ? String(bound) : bound.toExponential().replace('e+', 'e+0');
}

function binsText(bins: readonly Bin[]): string {
  return bins.map(({ start, width, count }) => `${start},${width}:${count}`).join(' ');
}

function counts(
  { histogram }: HistogramStat,
  mode: BucketMode,
): { bounds: readonly number[]; interval: number[]; all: number[] } {
  const { bounds, interval, all } = histogram.cumulativeCounts();
  const shown = (cumulative: readonly number[]): number[] =>
    cumulative.map((count, i) => (mode === 'disjoint' ? count - (cumulative[i - 1] ?? 0) : count));
  return { bounds, interval: shown(interval), all: shown(all) };
}

/** What holds all of them. */
export function histogramsJson(items: LazyList, mode: BucketMode): LazyJson {
  if (mode === 'cumulative' || mode === 'disjoint') return items;
  const isDetailed = mode === 'detailed';
  return new LazyObject(() => [
    [isDetailed ? 'supported_percentiles' : 'supported_quantiles', [...shownQuantiles]],
    [isDetailed ? 'details' : 'computed_quantiles', items],
  ]);
}

export function histogramJson(stat: HistogramStat, mode: BucketMode): JsonObject {
  const { name, histogram } = stat;
  if (mode === 'cumulative' || mode === 'disjoint') {
    const { bounds, interval, all } = counts(stat, mode);
    const buckets = bounds.map((bound, i) => ({
      ...{ upper_bound: bound, interval: interval[i]!, cumulative: all[i]! },
    }));
    return { name, buckets };
  }
  const { interval, all } = histogram.quantiles();
  const values = shownQuantiles.map((_, i) => ({
    cumulative: orNull(all[i]),
    interval: orNull(interval[i]),
  }));
  if (mode === 'summary') return { name, values };
  const bins = histogram.bins();
  return { name, totals: binsJson(bins.all), intervals: binsJson(bins.interval), percentiles: values };
}

function binsJson(bins: readonly Bin[]): JsonValue[] {
  return bins.map(({ start, width, count }) => ({ lower_bound: start, width, count }));
}

function orNull(value: number | undefined): number | null {
  return value === undefined || Number.isNaN(value) ? null : value;
}
