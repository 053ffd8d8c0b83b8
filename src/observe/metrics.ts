/**
 * The metric registry of a process: Envoy's counters, gauges and histograms by dotted name, and
 * families with labels chosen at run time (Istio's). Counting is one store into a typed array.
 */
import { BucketHistogram, defaultBucketBounds, LogLinearHistogram, shownQuantiles } from './histogram.ts';
import type {
  Counter,
  CounterFamily,
  Gauge,
  Histogram,
  HistogramFamily,
  MetricRegistry,
  Scope,
  ScopeName,
} from './metrics-contract.ts';
import { type PrometheusFamily, renderPrometheus, type Sample } from './prometheus.ts';
import { extractTags } from './stat-tags.ts';

const SLOTS_PER_CHUNK = 1024;

class SlotCounter implements Counter, Gauge {
  readonly #slots: Float64Array;
  readonly #slot: number;
  /** Whether a gauge was ever set (Envoy's `usedonly`). */
  touched = false;

  constructor(slots: Float64Array, slot: number) {
    this.#slots = slots;
    this.#slot = slot;
  }
  get value(): number {
    return this.#slots[this.#slot]!;
  }
  inc(by = 1): void {
    this.#slots[this.#slot]! += by;
  }
  add(by: number): void {
    this.touched = true;
    this.#slots[this.#slot]! += by;
  }
  set(value: number): void {
    this.touched = true;
    this.#slots[this.#slot] = value;
  }
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
      readonly histogram: LogLinearHistogram;
      readonly used: boolean;
    };

interface Entry {
  readonly path: string;
  readonly family: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly kind: Stat['kind'];
  readonly metric: SlotCounter | LogLinearHistogram;
}

interface Rows<Row> {
  readonly help: string;
  readonly labelNames: readonly string[];
  readonly bucketBounds: readonly number[];
  readonly rows: Map<string, { readonly values: readonly string[]; readonly row: Row }>;
}

const ROW_SEPARATOR = '\u0000';

export class Metrics implements MetricRegistry {
  readonly #entries = new Map<string, Entry>();
  readonly #counterFamilies = new Map<string, Rows<SlotCounter>>();
  readonly #histogramFamilies = new Map<string, Rows<BucketHistogram>>();
  #chunk = new Float64Array(SLOTS_PER_CHUNK);
  #used = 0;

  scope(name: ScopeName): Scope {
    return {
      counter: (metric) => this.#entry(name, metric, 'counter') as Counter & Gauge,
      gauge: (metric) => this.#entry(name, metric, 'gauge') as Counter & Gauge,
      histogram: (metric) => this.#entry(name, metric, 'histogram') as unknown as Histogram,
    };
  }

  /** Forgets every metric at or under the dotted `path`. Counters already handed out count unseen. */
  removeScope(path: string): void {
    for (const [key, entry] of this.#entries) {
      if (entry.path === path || entry.path.startsWith(`${path}.`)) this.#entries.delete(key);
    }
  }

  counterFamily(name: string, help: string, labelNames: readonly string[]): CounterFamily {
    const family = this.#family(this.#counterFamilies, name, help, labelNames, []);
    return { with: (values) => rowOf(family, values, () => this.#counter()) };
  }

  histogramFamily(
    name: string,
    help: string,
    labelNames: readonly string[],
    bucketBounds: readonly number[],
  ): HistogramFamily {
    const family = this.#family(this.#histogramFamilies, name, help, labelNames, bucketBounds);
    return { with: (values) => rowOf(family, values, () => new BucketHistogram(bucketBounds)) };
  }

  /** Every metric of Envoy's kind, sorted by name; families with labels are not among them. */
  stats(): readonly Stat[] {
    const stats = [...this.#entries.values()].map((entry): Stat => {
      const { path: name, metric, kind } = entry;
      if (metric instanceof LogLinearHistogram) {
        return { kind: 'histogram', name, histogram: metric, used: metric.count > 0 };
      }
      const used = metric.touched || metric.value !== 0;
      return { kind: kind as 'counter' | 'gauge', name, value: metric.value, used };
    });
    return stats.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  lines(): string[] {
    return renderStatLines(this.stats());
  }

  /** Sets Envoy's counters to zero (`POST /reset_counters`); gauges, histograms and families stay. */
  resetCounters(): void {
    for (const { kind, metric } of this.#entries.values()) {
      if (kind === 'counter' && metric instanceof SlotCounter) metric.inc(-metric.value);
    }
  }

  /** Ends the running interval of every histogram; call it every 5 s, as Envoy does. */
  endInterval(): void {
    for (const { metric } of this.#entries.values()) {
      if (metric instanceof LogLinearHistogram) metric.endInterval();
    }
  }

  prometheus(): string {
    return renderPrometheus(this.prometheusFamilies());
  }

  /** What `prometheus()` renders, for a caller that filters first. */
  prometheusFamilies(): PrometheusFamily[] {
    const families = new Map<string, PrometheusFamily & { samples: Sample[] }>();
    for (const entry of this.#entries.values()) {
      const type = entry.kind;
      let family = families.get(entry.family);
      if (family === undefined) {
        family = { name: entry.family, type, help: '', samples: [] };
        families.set(entry.family, family);
      }
      // Two kinds under one name would make the page invalid: the first one stays.
      if (family.type !== type) continue;
      family.samples.push(sampleOf(entry));
    }
    return [...families.values(), ...this.#labelledFamilies()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  *#labelledFamilies(): Generator<PrometheusFamily> {
    for (const [name, { help, labelNames, rows }] of this.#counterFamilies) {
      const samples = [...rows.values()].map(({ values, row }) => ({
        labels: zip(labelNames, values),
        used: true,
        value: row.value,
      }));
      yield { name, type: 'counter', help, samples };
    }
    for (const [name, { help, labelNames, bucketBounds, rows }] of this.#histogramFamilies) {
      const samples = [...rows.values()].map(({ values, row }) => ({
        labels: zip(labelNames, values),
        used: true,
        bounds: bucketBounds,
        counts: row.cumulativeCounts(),
        sum: row.sum,
        value: row.count,
      }));
      yield { name, type: 'histogram', help, samples };
    }
  }

  #counter(): SlotCounter {
    if (this.#used === SLOTS_PER_CHUNK) {
      this.#chunk = new Float64Array(SLOTS_PER_CHUNK);
      this.#used = 0;
    }
    return new SlotCounter(this.#chunk, this.#used++);
  }

  #entry(scope: ScopeName, name: string, kind: Stat['kind']): SlotCounter | LogLinearHistogram {
    const path = scope.path === '' ? name : `${scope.path}.${name}`;
    const key = `${kind} ${path}`;
    const known = this.#entries.get(key);
    if (known !== undefined) return known.metric;
    const { base, tags } = extractTags(name);
    const family = `envoy_${scope.family === '' ? '' : `${scope.family}_`}${base}`.replace(
      /[^A-Za-z0-9_:]/g,
      '_',
    );
    const metric = kind === 'histogram' ? new LogLinearHistogram() : this.#counter();
    this.#entries.set(key, { path, family, labels: { ...tags, ...scope.labels }, kind, metric });
    return metric;
  }

  #family<Row>(
    into: Map<string, Rows<Row>>,
    name: string,
    help: string,
    labelNames: readonly string[],
    bucketBounds: readonly number[],
  ): Rows<Row> {
    const known = into.get(name);
    if (known === undefined) {
      const made: Rows<Row> = { help, labelNames, bucketBounds, rows: new Map() };
      into.set(name, made);
      return made;
    }
    if (known.labelNames.join() !== labelNames.join())
      throw new Error(`metric ${name} has other labels already`);
    return known;
  }
}

function rowOf<Row>(family: Rows<Row>, values: readonly string[], make: () => Row): Row {
  const key = values.join(ROW_SEPARATOR);
  const known = family.rows.get(key);
  if (known !== undefined) return known.row;
  if (values.length !== family.labelNames.length) throw new Error('as many label values as label names');
  const row = make();
  // Values may be slices of a request head, which they would keep alive: `join` made a copy of them.
  family.rows.set(key, { values: values.length === 0 ? [] : key.split(ROW_SEPARATOR), row });
  return row;
}

function sampleOf({ labels, metric, kind }: Entry): Sample {
  if (metric instanceof SlotCounter) {
    return {
      labels,
      used: kind === 'gauge' ? metric.touched || metric.value !== 0 : metric.value !== 0,
      value: metric.value,
    };
  }
  const { count, sum } = metric;
  const counts = metric.cumulativeCounts();
  return { labels, used: count > 0, bounds: defaultBucketBounds, counts, sum, value: count };
}

function zip(names: readonly string[], values: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name, i) => [name, values[i] ?? '']));
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

function quantileText(histogram: LogLinearHistogram): string {
  if (histogram.count === 0) return 'No recorded values';
  const { interval, all } = histogram.quantiles();
  const shown = (value: number): string =>
    Number.isNaN(value) ? 'nan' : String(Number(value.toPrecision(5)));
  return shownQuantiles.map((q, i) => `P${q}(${shown(interval[i]!)},${shown(all[i]!)})`).join(' ');
}
