/** Who has which scopes of metrics: one is shown as long as somebody has it, as Envoy's are. */
import type {
  CounterFamily,
  HistogramFamily,
  MetricRegistry,
  Scope,
  ScopeName,
} from '#observe/metrics-contract.ts';

export class ScopeHolders {
  readonly metrics: MetricRegistry;
  /** How many there are, by path. */
  readonly #held = new Map<string, number>();

  constructor(metrics: MetricRegistry) {
    this.metrics = metrics;
  }

  hold(name: ScopeName): Scope {
    this.#held.set(name.path, (this.#held.get(name.path) ?? 0) + 1);
    return this.metrics.scope(name);
  }

  /** By one that held it; it is forgotten with the last. */
  release(path: string): void {
    const left = this.#held.get(path)! - 1;
    if (left > 0) {
      this.#held.set(path, left);
      return;
    }
    this.#held.delete(path);
    this.metrics.removeScope(path);
  }
}

/** Those of clusters go with their clusters; of the others there are holders that are not known. */
const heldElsewhere = /^cluster\.|^http\.async-client$|\.http_local_rate_limit$/;

/** The metrics of one holder, such as a filter chain: it has every scope it asked for until it lets go of all. */
export class HeldMetrics implements MetricRegistry {
  readonly #holders: ScopeHolders;
  /** By path. */
  readonly #scopes = new Map<string, Scope>();
  #isReleased = false;

  constructor(holders: ScopeHolders) {
    this.#holders = holders;
  }

  scope(name: ScopeName): Scope {
    const { path } = name;
    const known = this.#scopes.get(path);
    if (known !== undefined) return known;
    if (heldElsewhere.test(path)) return this.#holders.metrics.scope(name);
    const scope = this.#holders.hold(name);
    if (this.#isReleased) this.#holders.release(path);
    else this.#scopes.set(path, scope);
    return scope;
  }

  /** What it hands out, and handed out, counts unseen from now on, unless others hold it. */
  release(): void {
    this.#isReleased = true;
    for (const path of this.#scopes.keys()) this.#holders.release(path);
    this.#scopes.clear();
  }

  counterFamily(name: string, help: string, labelNames: readonly string[]): CounterFamily {
    return this.#holders.metrics.counterFamily(name, help, labelNames);
  }

  histogramFamily(
    name: string,
    help: string,
    labelNames: readonly string[],
    bucketBounds: readonly number[],
  ): HistogramFamily {
    return this.#holders.metrics.histogramFamily(name, help, labelNames, bucketBounds);
  }

  removeScope(path: string): void {
    this.#holders.metrics.removeScope(path);
  }

  prometheus(): string {
    return this.#holders.metrics.prometheus();
  }

  lines(): string[] {
    return this.#holders.metrics.lines();
  }
}
