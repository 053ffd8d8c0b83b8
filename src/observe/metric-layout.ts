/**
 * Metrics that all scopes of some kind have, such as those of clusters: one piece of memory a scope, in which
 * each has its place. They are shown from the start; the objects that count are made when they are asked for.
 */
import type { Counter, Gauge, Histogram, Scope } from './metrics-contract.ts';
import { GAUGE_SLOTS } from './slots.ts';

export class MetricLayout<C extends string = string, G extends string = string, H extends string = string> {
  readonly counter: readonly C[];
  readonly gauge: readonly G[];
  /** These take memory of their own when something is recorded. */
  readonly histogram: readonly H[];
  /** Figures of a scope. */
  readonly slots: number;
  readonly #places = new Map<string, number>();

  constructor(counters: readonly C[], gauges: readonly G[], histograms: readonly H[]) {
    this.counter = counters;
    this.gauge = gauges;
    this.histogram = histograms;
    for (const [i, name] of counters.entries()) this.#places.set(`counter ${name}`, i);
    for (const [i, name] of gauges.entries())
      this.#places.set(`gauge ${name}`, counters.length + i * GAUGE_SLOTS);
    for (const name of histograms) this.#places.set(`histogram ${name}`, -1);
    this.slots = counters.length + gauges.length * GAUGE_SLOTS;
  }

  /** First of its slots, -1 for a histogram; undefined where there is no such metric. */
  placeOf(kind: 'counter' | 'gauge' | 'histogram', name: string): number | undefined {
    return this.#places.get(`${kind} ${name}`);
  }
}

export type LaidMetrics<C extends string, G extends string, H extends string> = Readonly<
  Record<C, Counter> & Record<G, Gauge> & Record<H, Histogram>
>;

/** Gives a scope a layout, and its metrics as properties. */
export type LayMetrics<C extends string, G extends string, H extends string> = new (
  scope: Scope,
) => LaidMetrics<C, G, H>;

export function metricsLaidOut<C extends string, G extends string, H extends string>(
  layout: MetricLayout<C, G, H>,
): LayMetrics<C, G, H> {
  const count = layout.counter.length + layout.gauge.length + layout.histogram.length;

  class Laid {
    readonly #scope: Scope;
    readonly #made: unknown[] = new Array(count);

    constructor(scope: Scope) {
      this.#scope = scope;
      scope.lay(layout);
    }

    static define(name: string, at: number, make: (scope: Scope) => unknown): void {
      Object.defineProperty(Laid.prototype, name, {
        get(this: Laid): unknown {
          this.#made[at] ??= make(this.#scope);
          return this.#made[at];
        },
      });
    }
  }

  let at = 0;
  for (const name of layout.counter) Laid.define(name, at++, (scope) => scope.counter(name));
  for (const name of layout.gauge) Laid.define(name, at++, (scope) => scope.gauge(name));
  for (const name of layout.histogram) Laid.define(name, at++, (scope) => scope.histogram(name));
  return Laid as unknown as LayMetrics<C, G, H>;
}
