/** The `http2.*` statistics of a connection manager or a cluster, by Envoy's names. */
import { h2CounterNames } from '#http/codec/h2/counter.ts';
import type { Counter, Gauge, Scope } from '#observe/metrics-contract.ts';

export interface Http2Stats {
  /** By the numbers of `h2Counter`. */
  readonly counters: readonly Counter[];
  readonly streamsActive: Gauge;
}

export function createHttp2Stats(scope: Scope): Http2Stats {
  return {
    counters: h2CounterNames.map((name) => scope.counter(`http2.${name}`)),
    streamsActive: scope.gauge('http2.streams_active'),
  };
}
