/**
 * What lets connections into a filter chain, or not: the network filters before the one that ends the
 * chain, as far as they judge connections.
 */
import type { Counter, Gauge, MetricRegistry } from '#observe/metrics-contract.ts';
import type { LimitedCount } from '../cluster/limited-count.ts';

export interface ConnectionGate {
  /** @returns {@link ADMITTED}, or after how many milliseconds the connection is closed. */
  admit(): number;
  /** A connection that was admitted is closed. */
  release(): void;
}

export const ADMITTED = -1;

/** What a gate is made from, when its chain goes into force. */
export interface GateSettings {
  /** @param countTo makes a count, over all threads, with that limit. */
  create(metrics: MetricRegistry, countTo: (limit: number) => LimitedCount): ConnectionGate;
}

export interface ConnectionLimitSettings {
  readonly statPrefix: string;
  /** How long a connection too many is held before it is closed. */
  readonly delayMs: number;
}

/** Envoy, `envoy.filters.network.connection_limit`. */
export class ConnectionLimit implements ConnectionGate {
  readonly #count: LimitedCount;
  readonly #delayMs: number;
  readonly #active: Gauge;
  readonly #limited: Counter;

  constructor(settings: ConnectionLimitSettings, metrics: MetricRegistry, count: LimitedCount) {
    this.#count = count;
    this.#delayMs = settings.delayMs;
    const scope = metrics.scope({
      path: `connection_limit.${settings.statPrefix}`,
      family: 'connection_limit',
      labels: { envoy_connection_limit_prefix: settings.statPrefix },
    });
    this.#active = scope.gauge('active_connections');
    this.#limited = scope.counter('limited_connections');
  }

  admit(): number {
    if (!this.#count.take()) {
      this.#limited.inc();
      return this.#delayMs;
    }
    this.#active.add(1);
    return ADMITTED;
  }

  release(): void {
    this.#count.release();
    this.#active.add(-1);
  }
}
