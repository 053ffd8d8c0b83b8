/**
 * The metric registry of a process: Envoy's counters, gauges and histograms by dotted name, and
 * families with labels chosen at run time (Istio's). Counting is one store into a typed array. Where
 * several threads serve, each counts in a table of its own, and what is shown is their sum.
 */
import { Distribution, shownQuantiles } from './distribution.ts';
import { type BucketHistogram, bucketSlots, defaultBucketBounds } from './histogram.ts';
import { MetricTable } from './metric-table.ts';
import type { Announce, Announcement } from './metrics-announcement.ts';
import type { CounterFamily, HistogramFamily, MetricRegistry, Scope, ScopeName } from './metrics-contract.ts';
import { counterSum, familyRows, gaugeSum, type MetricRow, metricRows, retire } from './metrics-sum.ts';
import { type PrometheusFamily, renderPrometheus, type Sample } from './prometheus.ts';
import { ownSlots, type SlotCounter, sharedSlots } from './slots.ts';
import { extractTags } from './stat-tags.ts';

/** Of a histogram: values since the start, and in the last finished interval (Envoy: 5 s). */
export interface HistogramFigures {
  readonly count: number;
  /** In the order of {@link shownQuantiles}; NaN where nothing was recorded. */
  quantiles(): { readonly interval: readonly number[]; readonly all: readonly number[] };
}

/** One metric of Envoy's kind, as the admin interface lists it. */
export type Stat =
  | {
      readonly kind: 'counter' | 'gauge';
      readonly name: string;
      readonly value: number;
      readonly used: boolean;
    }
  | {
      readonly kind: 'histogram';
      readonly name: string;
      readonly histogram: HistogramFigures;
      readonly used: boolean;
    };

/** What one histogram had recorded when the last interval ended, and within that interval. */
interface Interval {
  readonly upTo: Distribution;
  /** Undefined where that was nothing. */
  readonly within: Distribution | undefined;
}

const noValues = shownQuantiles.map(() => Number.NaN);

/** The metrics of another thread, as they are shown here. */
export interface ShownThread {
  take(announcement: Announcement): void;
  end(): void;
}

export class Metrics implements MetricRegistry {
  readonly #own: MetricTable;
  /** Those of other threads, and what brings each up to date. */
  readonly #shown = new Map<MetricTable, () => void>();
  readonly #intervals = new Map<string, Interval>();
  /** What is no longer counted since `resetCounters`, of counters that other threads write. */
  readonly #reset = new Map<string, number>();
  readonly #beforeReading = new Set<() => void>();

  /** @param announce is told of every metric, whose slots are then in shared memory. */
  constructor(announce?: Announce) {
    this.#own = new MetricTable(announce === undefined ? ownSlots : sharedSlots, announce);
  }

  scope(name: ScopeName): Scope {
    const table = this.#own;
    const scope = table.scope(name);
    return {
      path: name.path,
      counter: (metric) => table.counter(scope, metric),
      gauge: (metric) => table.gauge(scope, metric),
      histogram: (metric) => table.histogram(scope, metric),
    };
  }

  removeScope(path: string): void {
    this.#own.forget(path);
    for (const map of [this.#intervals, this.#reset]) {
      for (const key of [...map.keys()]) if (key.startsWith(`${path}\u0000`)) map.delete(key);
    }
  }

  counterFamily(name: string, help: string, labelNames: readonly string[]): CounterFamily {
    const family = this.#own.family({ type: 'counter', name, help, labelNames, bucketBounds: [] });
    return { with: (values) => this.#own.row(family, values) as SlotCounter };
  }

  histogramFamily(
    name: string,
    help: string,
    labelNames: readonly string[],
    bucketBounds: readonly number[],
  ): HistogramFamily {
    const family = this.#own.family({ type: 'histogram', name, help, labelNames, bucketBounds });
    return { with: (values) => this.#own.row(family, values) as BucketHistogram };
  }

  /** Calls `prepare` before figures are read: to bring in what is not counted as it happens. */
  beforeReading(prepare: () => void): void {
    this.#beforeReading.add(prepare);
  }

  /**
   * Shows, besides, what another thread announces.
   *
   * @param refresh brings in what was announced and not taken yet; called before figures are read.
   */
  showThread(refresh: () => void = () => {}): ShownThread {
    const table = new MetricTable();
    this.#shown.set(table, refresh);
    return {
      take: (announcement) => {
        table.show(announcement);
        if (announcement.kind === 'forget') this.removeScope(announcement.path);
      },
      // The thread is gone. What it counted stays counted; what it had open is not open any more.
      end: () => {
        this.#shown.delete(table);
        retire(table, this.#own);
      },
    };
  }

  /** Every metric of Envoy's kind, sorted by name; families with labels are not among them. */
  stats(): readonly Stat[] {
    const stats = this.#rows().map((row) => this.#stat(row));
    return stats.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  #stat(row: MetricRow): Stat {
    const { kind, path: name } = row;
    if (kind === 'gauge') return { kind, name, ...gaugeSum(row) };
    if (kind === 'counter') {
      const value = this.#counted(row);
      return { kind, name, value, used: value !== 0 };
    }
    const all = distributionOf(row);
    const { count } = all;
    return { kind, name, histogram: { count, quantiles: () => this.#quantiles(row, all) }, used: count > 0 };
  }

  lines(): string[] {
    return renderStatLines(this.stats());
  }

  /** Sets Envoy's counters to zero (`POST /reset_counters`); gauges, histograms and families stay. */
  resetCounters(): void {
    for (const row of this.#rows()) if (row.kind === 'counter') this.#reset.set(keyOf(row), counterSum(row));
  }

  /** Ends the running interval of every histogram; call it every 5 s, as Envoy does. */
  endInterval(): void {
    for (const row of this.#rows('histogram')) {
      if (row.kind !== 'histogram') continue;
      const count = row.metrics.reduce((sum, histogram) => sum + histogram.count, 0);
      if (count === 0) continue;
      const before = this.#intervals.get(keyOf(row));
      if (before === undefined || count !== before.upTo.count) {
        const upTo = distributionOf(row);
        this.#intervals.set(keyOf(row), { upTo, within: before ? upTo.since(before.upTo) : upTo });
      } else if (before.within !== undefined) {
        this.#intervals.set(keyOf(row), { upTo: before.upTo, within: undefined });
      }
    }
  }

  prometheus(): string {
    return renderPrometheus(this.prometheusFamilies());
  }

  /** What `prometheus()` renders, for a caller that filters first. */
  prometheusFamilies(): PrometheusFamily[] {
    const families = new Map<string, PrometheusFamily & { samples: Sample[] }>();
    for (const row of this.#rows()) {
      const { base, tags } = extractTags(row.name);
      const name = familyName(row.scope.family, base);
      const type = row.kind;
      let family = families.get(name);
      if (family === undefined) {
        family = { name, type, help: '', samples: [] };
        families.set(name, family);
      }
      // Two kinds under one name would make the page invalid: the first one stays.
      if (family.type === type) family.samples.push(this.#sample(row, { ...tags, ...row.scope.labels }));
    }
    return [...families.values(), ...this.#labelledFamilies()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  #labelledFamilies(): PrometheusFamily[] {
    return familyRows([this.#own, ...this.#shown.keys()]).map(({ family, rows }) => {
      const { name, type, help, labelNames, bucketBounds } = family;
      const samples = rows.map(({ values, metrics }): Sample => {
        const labels = Object.fromEntries(labelNames.map((label, i) => [label, values[i] ?? '']));
        if (type === 'counter') {
          const value = metrics.reduce((sum, metric) => sum + (metric as SlotCounter).value, 0);
          return { labels, used: true, value };
        }
        const total = new Float64Array(bucketSlots(bucketBounds));
        for (const metric of metrics) (metric as BucketHistogram).addTo(total);
        return bucketSample(labels, bucketBounds, total);
      });
      return { name, type, help, samples };
    });
  }

  #sample(row: MetricRow, labels: Readonly<Record<string, string>>): Sample {
    switch (row.kind) {
      case 'histogram': {
        const all = distributionOf(row);
        const { count: value, sum } = all;
        const counts = all.cumulativeCounts();
        return { labels, used: value > 0, bounds: defaultBucketBounds, counts, sum, value };
      }
      case 'counter': {
        const value = this.#counted(row);
        return { labels, used: value !== 0, value };
      }
      case 'gauge':
        return { labels, ...gaugeSum(row) };
    }
  }

  #counted(row: Extract<MetricRow, { kind: 'counter' }>): number {
    return counterSum(row) - (this.#reset.get(keyOf(row)) ?? 0);
  }

  #quantiles(row: MetricRow, all: Distribution): { interval: readonly number[]; all: readonly number[] } {
    const { within } = this.#intervals.get(keyOf(row)) ?? {};
    return { interval: within?.quantiles() ?? noValues, all: all.quantiles() };
  }

  #rows(kind?: MetricRow['kind']): MetricRow[] {
    for (const prepare of this.#beforeReading) prepare();
    for (const refresh of this.#shown.values()) refresh();
    return metricRows([this.#own, ...this.#shown.keys()], kind);
  }
}

/** Of a scope and a name: the full path alone would not tell `a.b` of `c` from `a` of `b.c`. */
function keyOf({ scope, name }: MetricRow): string {
  return `${scope.path}\u0000${name}`;
}

function distributionOf({ metrics }: Extract<MetricRow, { kind: 'histogram' }>): Distribution {
  const all = new Distribution();
  for (const histogram of metrics) all.add(histogram);
  return all;
}

function familyName(scope: string, base: string): string {
  return `envoy_${scope === '' ? '' : `${scope}_`}${base}`.replace(/[^A-Za-z0-9_:]/g, '_');
}

function bucketSample(
  labels: Readonly<Record<string, string>>,
  bounds: readonly number[],
  total: Float64Array,
): Sample {
  const [sum = 0, ...buckets] = total;
  let below = 0;
  const cumulative = buckets.map((count) => (below += count));
  return { labels, used: true, bounds, counts: cumulative.slice(0, -1), sum, value: below };
}

/** Envoy's text of `/stats`: counters and gauges first, then histograms with their quantiles. */
export function renderStatLines(stats: readonly Stat[]): string[] {
  const numbers: string[] = [];
  const histograms: string[] = [];
  for (const stat of stats) {
    if (stat.kind === 'histogram') histograms.push(`${stat.name}: ${quantileText(stat.histogram)}`);
    else numbers.push(`${stat.name}: ${stat.value}`);
  }
  return [...numbers, ...histograms];
}

function quantileText(histogram: HistogramFigures): string {
  if (histogram.count === 0) return 'No recorded values';
  const { interval, all } = histogram.quantiles();
  const shown = (value: number): string =>
    Number.isNaN(value) ? 'nan' : String(Number(value.toPrecision(5)));
  return shownQuantiles.map((q, i) => `P${q}(${shown(interval[i]!)},${shown(all[i]!)})`).join(' ');
}
