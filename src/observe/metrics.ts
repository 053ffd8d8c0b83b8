/**
 * The metric registry of a process: Envoy's counters, gauges and histograms by dotted name, and
 * families with labels chosen at run time (Istio's). Counting is one store into a typed array. Where
 * several threads serve, each counts in a table of its own, and what is shown is their sum.
 */
import { atOnce, pausing, type Steps } from '#core/time-slice.ts';
import { Distribution } from './distribution.ts';
import { type BucketHistogram, bucketSlots, defaultBucketBounds } from './histogram.ts';
import type { MetricLayout } from './metric-layout.ts';
import {
  type FamilyTable,
  type MetricKind,
  MetricTable,
  metricKinds,
  type ScopeTable,
} from './metric-table.ts';
import type { Announce, Announcement } from './metrics-announcement.ts';
import type {
  Counter,
  CounterFamily,
  FiguresAtRest,
  Gauge,
  Histogram,
  HistogramFamily,
  MetricRegistry,
  Scope,
  ScopeName,
} from './metrics-contract.ts';
import { envoyFamilies } from './metrics-families.ts';
import { rowsInOrder } from './metrics-order.ts';
import {
  counterSum,
  familyRows,
  gaugeSum,
  type MetricRow,
  retire,
  retireScope,
  rowsOf,
  type ScopeGroup,
  scopeGroups,
} from './metrics-sum.ts';
import {
  labelText,
  type PrometheusFamily,
  prometheusPieces,
  renderPrometheus,
  type Sample,
} from './prometheus.ts';
import { ownSlots, type SlotCounter, sharedSlots } from './slots.ts';
import { type Stat, statLine } from './stat.ts';
import { plainView, type StatsView } from './stats-view.ts';

/** What one histogram had recorded when the last interval ended, and within that interval. */
interface Interval {
  readonly upTo: Distribution;
  /** Undefined where that was nothing. */
  readonly within: Distribution | undefined;
}

const nothing = new Distribution();

/** The metrics of another thread, as they are shown here. */
export interface ShownThread {
  take(announcement: Announcement): void;
  end(): void;
}

export class Metrics implements MetricRegistry {
  readonly #own: MetricTable;
  /** Those of other threads, and what brings each up to date. */
  readonly #shown = new Map<MetricTable, () => void>();
  readonly #intervals = new ByScope<Interval>();
  /** What is no longer counted since `resetCounters`, of counters that other threads write. */
  readonly #reset = new ByScope<number>();
  readonly #beforeReading = new Set<() => void>();

  /** How they are shown, in every form. */
  view: StatsView = plainView;

  /** @param announce is told of every metric, whose slots are then in shared memory. */
  constructor(announce?: Announce) {
    this.#own = new MetricTable(announce === undefined ? ownSlots : sharedSlots, announce);
  }

  scope(name: ScopeName): Scope {
    return new OwnScope(this.#own, this.#own.scope(name));
  }

  removeScope(path: string): void {
    this.#own.forget(path);
    this.#intervals.forget(path);
    this.#reset.forget(path);
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
        if (announcement.kind === 'forget') this.#threadForgets(table, announcement.path);
        else table.show(announcement);
      },
      // The thread is gone. What it counted stays counted; what it had open is not open any more.
      end: () => {
        this.#shown.delete(table);
        retire(table, this.#own);
      },
    };
  }

  /** What it counted stays counted as long as another thread has the scope. */
  #threadForgets(table: MetricTable, path: string): void {
    const scope = table.scopes.get(path);
    table.forget(path);
    const isLast = [...this.#shown.keys()].every(({ scopes }) => !scopes.has(path));
    if (isLast) this.removeScope(path);
    else if (scope !== undefined) retireScope(scope, this.#own);
  }

  /** Every metric of Envoy's kind, sorted by name; families with labels are not among them. */
  stats(): readonly Stat[] {
    return [...this.statBatches(metricKinds)].flat();
  }

  /** Those of some kinds, sorted by name, a few at a time; none where it may be interrupted. */
  *statBatches(kinds: readonly MetricKind[]): Generator<readonly Stat[], void, undefined> {
    const groups = yield* pausing(this.#groups(), []);
    const { shows } = this.view;
    for (const rows of rowsInOrder(groups, kinds)) {
      const shown = shows === undefined ? rows : rows.filter(({ path }) => shows(path));
      yield shown.map((row) => this.#stat(row));
    }
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
    const within = (): Distribution => this.#intervals.get(row)?.within ?? nothing;
    const histogram = {
      count,
      quantiles: () => ({ interval: within().quantiles(), all: all.quantiles() }),
      cumulativeCounts: () => {
        const bounds = this.#boundsOf(row);
        return {
          bounds,
          interval: within().cumulativeCounts(bounds),
          all: all.cumulativeCounts(bounds),
        };
      },
      bins: () => ({ interval: [...within().filledBins()], all: [...all.filledBins()] }),
    };
    return { kind, name, histogram, used: count > 0 };
  }

  /** Envoy's text of `/stats`: counters and gauges first, then histograms with their quantiles. */
  lines(): string[] {
    const kinds = [['counter', 'gauge'], ['histogram']] as const;
    return kinds.flatMap((some) => [...this.statBatches(some)].flat().map(statLine));
  }

  /** Sets Envoy's counters to zero (`POST /reset_counters`); gauges, histograms and families stay. */
  resetCounters(): void {
    atOnce(this.resetSteps());
  }

  *resetSteps(): Steps<void> {
    for (const group of yield* this.#groups()) {
      for (const row of rowsOf(group, ['counter'])) {
        const sum = counterSum(row as Extract<MetricRow, { kind: 'counter' }>);
        if (sum !== 0) this.#reset.set(row, sum);
      }
      yield;
    }
  }

  /** Ends the running interval of every histogram; call it every 5 s, as Envoy does. */
  endInterval(): void {
    atOnce(this.intervalSteps());
  }

  *intervalSteps(): Steps<void> {
    for (const group of yield* this.#groups()) {
      if (group.scopes.every(({ recorded }) => recorded === undefined)) continue;
      for (const row of rowsOf(group, ['histogram'])) {
        this.#endIntervalOf(row as Extract<MetricRow, { kind: 'histogram' }>);
      }
      yield;
    }
  }

  #endIntervalOf(row: Extract<MetricRow, { kind: 'histogram' }>): void {
    const count = row.metrics.reduce((sum, histogram) => sum + histogram.count, 0);
    if (count === 0) return;
    const before = this.#intervals.get(row);
    if (before === undefined || count !== before.upTo.count) {
      const upTo = distributionOf(row);
      this.#intervals.set(row, { upTo, within: before ? upTo.since(before.upTo) : upTo });
    } else if (before.within !== undefined) {
      this.#intervals.set(row, { upTo: before.upTo, within: undefined });
    }
  }

  prometheus(): string {
    return renderPrometheus(this.prometheusFamilies());
  }

  /** What `prometheus()` renders, for a caller that adds to it. */
  prometheusFamilies(): PrometheusFamily[] {
    return atOnce(this.#families());
  }

  /**
   * What `prometheus()` gives, in pieces; '' where it may be interrupted.
   *
   * @param chosen whether a sample of the family of that name is shown.
   * @param summaries whether histograms are shown by the quantiles of their last interval
   */
  *prometheusPieces(
    chosen?: (name: string, used: boolean) => boolean,
    summaries = false,
  ): Generator<string, void, undefined> {
    yield* prometheusPieces(yield* pausing(this.#families(summaries), ''), chosen);
  }

  *#families(summaries = false): Steps<PrometheusFamily[]> {
    const groups = yield* this.#groups();
    const families = yield* envoyFamilies(
      groups,
      (row, labels) => this.#sample(row, labels, summaries),
      this.view,
    );
    return [...families, ...this.#labelledFamilies()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  #labelledFamilies(): PrometheusFamily[] {
    return familyRows([this.#own, ...this.#shown.keys()]).map(({ family, rows }) => {
      const { name, type, help, labelNames } = family;
      function* samples(): Generator<Sample, void, undefined> {
        for (const { values, metrics } of rows) {
          const labels = labelText(
            Object.fromEntries(labelNames.map((label, i) => [label, values[i] ?? ''])),
          );
          yield familySample(family, labels, metrics);
        }
      }
      return { name, type, help, samples: { [Symbol.iterator]: samples } };
    });
  }

  #sample(row: MetricRow, labels: string, summaries: boolean): Sample {
    switch (row.kind) {
      case 'histogram': {
        if (summaries) {
          const within = this.#intervals.get(row)?.within ?? nothing;
          const { count: value, sum } = within;
          const used = row.metrics.some(({ count }) => count > 0);
          return { labels, used, quantiles: within.quantiles(), sum, value };
        }
        const all = distributionOf(row);
        const { count: value, sum } = all;
        const bounds = this.#boundsOf(row);
        return { labels, used: value > 0, bounds, counts: all.cumulativeCounts(bounds), sum, value };
      }
      case 'counter': {
        const value = this.#counted(row);
        return { labels, used: value !== 0, value };
      }
      case 'gauge':
        return { labels, ...gaugeSum(row) };
    }
  }

  #boundsOf({ path }: MetricRow): readonly number[] {
    return this.view.buckets.find(({ matches }) => matches(path))?.bounds ?? defaultBucketBounds;
  }

  #counted(row: Extract<MetricRow, { kind: 'counter' }>): number {
    return counterSum(row) - (this.#reset.get(row) ?? 0);
  }

  *#groups(): Steps<ScopeGroup[]> {
    for (const prepare of this.#beforeReading) prepare();
    for (const refresh of this.#shown.values()) refresh();
    return yield* scopeGroups([this.#own, ...this.#shown.keys()]);
  }
}

class OwnScope implements Scope {
  readonly #table: MetricTable;
  readonly #scope: ScopeTable;

  constructor(table: MetricTable, scope: ScopeTable) {
    this.#table = table;
    this.#scope = scope;
  }

  get path(): string {
    return this.#scope.path;
  }

  lay(layout: MetricLayout, atRest?: FiguresAtRest): void {
    this.#table.lay(this.#scope, layout, atRest);
  }

  tally(name: string): void {
    this.#table.tally(this.#scope, name);
  }

  counter(name: string): Counter {
    return this.#table.counter(this.#scope, name);
  }

  gauge(name: string): Gauge {
    return this.#table.gauge(this.#scope, name);
  }

  histogram(name: string): Histogram {
    return this.#table.histogram(this.#scope, name);
  }
}

/** What is kept of metrics, by the path of their scope and their name in it. */
class ByScope<T> {
  readonly #scopes = new Map<string, Map<string, T>>();

  get({ scope, name }: MetricRow): T | undefined {
    return this.#scopes.get(scope.path)?.get(name);
  }

  set({ scope, name }: MetricRow, value: T): void {
    const known = this.#scopes.get(scope.path);
    if (known === undefined) this.#scopes.set(scope.path, new Map([[name, value]]));
    else known.set(name, value);
  }

  forget(path: string): void {
    this.#scopes.delete(path);
  }
}

function distributionOf({ metrics }: Extract<MetricRow, { kind: 'histogram' }>): Distribution {
  const all = new Distribution();
  for (const histogram of metrics) all.add(histogram);
  return all;
}

function familySample(
  { type, bucketBounds }: FamilyTable,
  labels: string,
  metrics: readonly (SlotCounter | BucketHistogram)[],
): Sample {
  if (type === 'counter') {
    const value = metrics.reduce((sum, metric) => sum + (metric as SlotCounter).value, 0);
    return { labels, used: true, value };
  }
  const total = new Float64Array(bucketSlots(bucketBounds));
  for (const metric of metrics) (metric as BucketHistogram).addTo(total);
  const [sum = 0, ...buckets] = total;
  let below = 0;
  const cumulative = buckets.map((count) => (below += count));
  return { labels, used: true, bounds: bucketBounds, counts: cumulative.slice(0, -1), sum, value: below };
}
