/** The `http2.*` statistics of a connection manager or a cluster, by Envoy's names. */
import { h2CounterNames } from '#http/codec/h2/counter.ts';
import type { Counter, Gauge, Scope } from '#observe/metrics-contract.ts';

export interface Http2Stats {
  /** By the numbers of `h2Counter`. */
  readonly counters: readonly Counter[];
  readonly streamsActive: Gauge;
}

/** @param prefix of the names within the scope */
export function createHttp2Stats(scope: Scope, prefix: '' | 'http2.'): Http2Stats {
  return {
    counters: h2CounterNames.map((name) => scope.counter(prefix + name)),
    streamsActive: scope.gauge(`${prefix}streams_active`),
  };
}
