/**
 * What lets connections into a filter chain, or not: the network filters before the one that ends the
 * chain, as far as they judge connections.
 */
import type { TimerWheel } from '#core/timer-wheel.ts';
import type { AccessRecord } from '#observe/access-record.ts';
import type { Counter, Gauge, MetricRegistry } from '#observe/metrics-contract.ts';
import type { LimitedCount } from '../cluster/limited-count.ts';
import type { TokenBucket } from '../filter/local-ratelimit/token-bucket.ts';
import type { DataGuard } from '../hcm/runtime.ts';
import type { AcceptedConnection } from './accepted.ts';

export interface ConnectionGate {
  /** @returns {@link ADMITTED}, or after how many milliseconds the connection is closed. */
  admit(connection: AcceptedConnection): number;
  /** A connection that was admitted is closed. */
  release(connection: AcceptedConnection): void;
  /** Envoy's, in `%DOWNSTREAM_LOCAL_CLOSE_REASON%`, and its response flag; '' for none. */
  readonly closeReason: string;
  readonly flag: string;
}

export const ADMITTED = -1;

/** What a gate is made from, when its chain goes into force. */
export interface GateSettings {
  /** @param countTo makes a count, over all threads, with that limit. */
  create(metrics: MetricRegistry, countTo: (limit: number) => LimitedCount): ConnectionGate;
}

/** What a network filter that waits for bytes is made from, when its chain goes into force. */
export interface GuardSettings {
  create(metrics: MetricRegistry, wheel: TimerWheel): (connection: AcceptedConnection) => DataGuard;
}

/** Several filters, each of which is asked only for what the one before it lets through. */
export class DataGuards implements DataGuard {
  readonly #guards: readonly DataGuard[];

  constructor(guards: readonly DataGuard[]) {
    this.#guards = guards;
  }

  passes(record?: AccessRecord): boolean {
    return this.#guards.every((guard) => guard.passes(record));
  }

  stop(): void {
    for (const guard of this.#guards) guard.stop();
  }
}

export interface ConnectionLimitSettings {
  readonly statPrefix: string;
  /** How long a connection too many is held before it is closed. */
  readonly delayMs: number;
  /** Whether it looks at connections that come now. */
  readonly isOn: () => boolean;
}

export interface ConnectionRateSettings {
  readonly statPrefix: string;
  readonly bucket: TokenBucket;
  /** Whether it looks at connections that come now. */
  readonly isOn: () => boolean;
}

/** Envoy, `envoy.filters.network.connection_limit`. */
export class ConnectionLimit implements ConnectionGate {
  readonly closeReason = 'over_connection_limit';
  readonly flag = '';
  readonly #count: LimitedCount;
  readonly #delayMs: number;
  readonly #active: Gauge;
  readonly #limited: Counter;
  readonly #isOn: () => boolean;
  /** They came while it was off, and are not counted. */
  readonly #passed = new WeakSet<AcceptedConnection>();

  constructor(settings: ConnectionLimitSettings, metrics: MetricRegistry, count: LimitedCount) {
    this.#count = count;
    this.#delayMs = settings.delayMs;
    this.#isOn = settings.isOn;
    const scope = metrics.scope({
      path: `connection_limit.${settings.statPrefix}`,
      family: 'connection_limit',
      labels: { envoy_connection_limit_prefix: settings.statPrefix },
    });
    this.#active = scope.gauge('active_connections');
    this.#limited = scope.counter('limited_connections');
  }

  admit(connection: AcceptedConnection): number {
    if (!this.#isOn()) {
      this.#passed.add(connection);
      return ADMITTED;
    }
    if (!this.#count.take()) {
      this.#limited.inc();
      return this.#delayMs;
    }
    this.#active.add(1);
    return ADMITTED;
  }

  release(connection: AcceptedConnection): void {
    if (this.#passed.delete(connection)) return;
    this.#count.release();
    this.#active.add(-1);
  }
}

/** Envoy, `envoy.filters.network.local_ratelimit`. */
export class ConnectionRate implements ConnectionGate {
  readonly closeReason = 'local_ratelimit_close_over_limit';
  readonly flag = 'URX';
  readonly #bucket: TokenBucket;
  readonly #limited: Counter;
  readonly #isOn: () => boolean;

  constructor({ statPrefix, bucket, isOn }: ConnectionRateSettings, metrics: MetricRegistry) {
    this.#bucket = bucket;
    this.#isOn = isOn;
    this.#limited = metrics
      .scope({
        path: `local_rate_limit.${statPrefix}`,
        family: 'local_rate_limit',
        labels: { envoy_local_ratelimit_prefix: statPrefix },
      })
      .counter('rate_limited');
  }

  admit(): number {
    if (!this.#isOn() || this.#bucket.take()) return ADMITTED;
    this.#limited.inc();
    return 0;
  }

  release(): void {}
}
