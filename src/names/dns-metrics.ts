/** What is counted about DNS: under the names of Istio's agent where it has them. */
import type { Counter, Histogram, MetricRegistry } from '#observe/metrics-contract.ts';
import { code } from './message.ts';

export interface DnsMetrics {
  readonly requests: Counter;
  /** Connections that were closed as they came: there were too many. */
  readonly refusedConnections: Counter;
  /** Questions that were answered out of what upstreams said before. */
  readonly cached: Counter;
  readonly upstreamRequests: Counter;
  /** Upstreams that did not answer, or not in time. */
  readonly upstreamFailures: Counter;
  /** Seconds. */
  readonly upstreamDuration: Histogram;
  /** A reply went out, or `by` of them. @param rcode see `code`. */
  replied(rcode: number, by?: number): void;
}

/** Istio's bounds, seconds, in order. */
const DURATION_BOUNDS = [0.001, 0.005, 0.01, 0.1, 1, 5];

const codeNames: Readonly<Record<number, string>> = {
  [code.noError]: 'NOERROR',
  [code.formatError]: 'FORMERR',
  [code.serverFailure]: 'SERVFAIL',
  [code.noName]: 'NXDOMAIN',
  [code.notImplemented]: 'NOTIMP',
  [code.refused]: 'REFUSED',
  [code.badVersion]: 'BADVERS',
};

export function dnsMetrics(registry: MetricRegistry): DnsMetrics {
  const counter = (name: string, help: string): Counter => registry.counterFamily(name, help, []).with([]);
  const replies = registry.counterFamily(
    'heddle_dns_replies_total',
    'Replies to DNS requests, by their code.',
    ['rcode'],
  );
  const replied = new Map<number, Counter>();
  return {
    requests: counter('istio_agent_dns_requests_total', 'DNS requests.'),
    refusedConnections: counter(
      'heddle_dns_connections_refused_total',
      'Connections for DNS that were closed as they came.',
    ),
    cached: counter('heddle_dns_cache_hits_total', 'DNS requests answered by what upstreams said before.'),
    upstreamRequests: counter(
      'istio_agent_dns_upstream_requests_total',
      'DNS requests forwarded to upstreams.',
    ),
    upstreamFailures: counter(
      'istio_agent_dns_upstream_failures_total',
      'DNS requests that an upstream did not answer.',
    ),
    upstreamDuration: registry
      .histogramFamily(
        'istio_agent_dns_upstream_request_duration_seconds',
        'Seconds until an upstream answered.',
        [],
        DURATION_BOUNDS,
      )
      .with([]),
    replied(rcode, by = 1): void {
      let known = replied.get(rcode);
      if (known === undefined) {
        known = replies.with([codeNames[rcode] ?? String(rcode)]);
        replied.set(rcode, known);
      }
      known.inc(by);
    },
  };
}
