/**
 * The shape of the metric registry, apart from its implementation, so that the data path can be
 * tested with a small fake. Names are Envoy's; families are what Prometheus shows.
 */

import type { MetricLayout } from './metric-layout.ts';

/** A value that only grows. `inc` costs one typed-array store. */
export interface Counter {
  inc(by?: number): void;
  readonly value: number;
}

/**
 * A value that goes both ways. Where several threads serve, what they `add` is summed; what they `set`
 * is a level that all of them know alike, and the highest is shown.
 */
export interface Gauge {
  set(value: number): void;
  add(by: number): void;
  readonly value: number;
}

/** A distribution; the unit is in the metric's name (milliseconds where Envoy's has none). */
export interface Histogram {
  record(value: number): void;
}

/** Counters and gauges that nothing was counted in yet. */
export interface FiguresAtRest {
  /** Undefined: never touched. */
  figure(name: string): number | undefined;
}

/** A group of metrics under one dotted prefix, such as `cluster.outbound|9080||reviews`. */
export interface Scope {
  readonly path: string;
  /**
   * It has all of these from now on. Once, before any other metric of it is asked for; again as long as it is at rest.
   *
   * @param atRest what they show until somebody asks for one of them, and what it then begins with
   */
  lay(layout: MetricLayout, atRest?: FiguresAtRest): void;
  /** Counts, and leaves at rest what is so. */
  tally(name: string): void;
  counter(name: string): Counter;
  gauge(name: string): Gauge;
  histogram(name: string): Histogram;
}

/**
 * How a scope is named.
 * `path`: full dotted name as on Envoy's `/stats`, such as `cluster.reviews`.
 * `family`: the same without the parts that became labels, such as `cluster`.
 * `labels`: those parts, such as `{ envoy_cluster_name: 'reviews' }`.
 */
export interface ScopeName {
  readonly path: string;
  readonly family: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A metric with label values chosen at run time (Istio's standard metrics). */
export interface CounterFamily {
  /** The counter of one row of label values, in the order of the family's label names. Keep it: the lookup is a Map get. */
  with(values: readonly string[]): Counter;
}
export interface HistogramFamily {
  with(values: readonly string[]): Histogram;
}

export interface MetricRegistry {
  scope(name: ScopeName): Scope;
  counterFamily(name: string, help: string, labelNames: readonly string[]): CounterFamily;
  histogramFamily(
    name: string,
    help: string,
    labelNames: readonly string[],
    bucketBounds: readonly number[],
  ): HistogramFamily;
  /**
   * Forgets the metrics of the scope of exactly that path: what they stood for is gone. Those already
   * handed out count unseen.
   */
  removeScope(path: string): void;
  /** Prometheus text exposition (version 0.0.4). */
  prometheus(): string;
  /** Envoy's `/stats` lines: `name: value`, sorted. */
  lines(): string[];
}
