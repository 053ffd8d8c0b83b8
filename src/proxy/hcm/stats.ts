/** The statistics of a connection manager, by Envoy's names (`http.<stat_prefix>.*`). */
import type { Counter, Gauge, Histogram, MetricRegistry, Scope } from '#observe/metrics-contract.ts';
import { statusCounter } from '../cluster/stats.ts';
import { createHttp2Stats, type Http2Stats } from '../http2/stats.ts';
import type { DownstreamFacts } from './runtime.ts';
import { createUnderscoreStats, type UnderscoreStats } from './underscores.ts';

const counterNames = [
  'downstream_cx_total',
  'downstream_cx_http1_total',
  'downstream_cx_http2_total',
  'downstream_cx_upgrades_total',
  'downstream_cx_ssl_total',
  'downstream_cx_destroy',
  'downstream_cx_destroy_active_rq',
  'downstream_cx_destroy_local',
  'downstream_cx_destroy_local_active_rq',
  'downstream_cx_destroy_remote',
  'downstream_cx_destroy_remote_active_rq',
  'downstream_cx_protocol_error',
  'downstream_cx_idle_timeout',
  'downstream_cx_drain_close',
  'downstream_cx_overload_disable_keepalive',
  'downstream_cx_max_duration_reached',
  'downstream_cx_max_requests_reached',
  'downstream_cx_rx_bytes_total',
  'downstream_cx_tx_bytes_total',
  'downstream_cx_delayed_close_timeout',
  'downstream_flow_control_paused_reading_total',
  'downstream_flow_control_resumed_reading_total',
  'downstream_rq_total',
  'downstream_rq_http1_total',
  'downstream_rq_http2_total',
  'downstream_rq_completed',
  'downstream_rq_overload_close',
  'downstream_rq_too_many_premature_resets',
  'downstream_rq_rx_reset',
  'downstream_rq_tx_reset',
  'downstream_rq_non_relative_path',
  'downstream_rq_failed_path_normalization',
  'downstream_rq_redirected_with_normalized_path',
  'downstream_rq_rejected_via_ip_detection',
  'downstream_rq_ws_on_non_ws_route',
  'downstream_rq_too_large',
  'downstream_rq_idle_timeout',
  'downstream_rq_timeout',
  'downstream_rq_header_timeout',
  'downstream_rq_max_duration_reached',
  'downstream_rq_response_before_rq_complete',
  'rs_too_large',
  'no_route',
  'no_cluster',
  'rq_direct_response',
  'rq_redirect',
  'rq_total',
  'rq_reset_after_downstream_response_started',
  'passthrough_internal_redirect_bad_location',
  'passthrough_internal_redirect_unsafe_scheme',
  'passthrough_internal_redirect_too_many_redirects',
  'passthrough_internal_redirect_no_route',
  'passthrough_internal_redirect_predicate',
  'downstream_cx_http3_total',
  'downstream_rq_http3_total',
  'downstream_rq_1xx',
  'downstream_rq_2xx',
  'downstream_rq_3xx',
  'downstream_rq_4xx',
  'downstream_rq_5xx',
  'tracing.client_enabled',
  'tracing.health_check',
  'tracing.not_traceable',
  'tracing.random_sampling',
  'tracing.service_forced',
] as const;

const gaugeNames = [
  'downstream_cx_active',
  'downstream_cx_http1_active',
  'downstream_cx_http2_active',
  'downstream_cx_http3_active',
  'downstream_cx_ssl_active',
  'downstream_cx_upgrades_active',
  'downstream_rq_active',
] as const;

export type HttpStats = Readonly<
  Record<(typeof counterNames)[number], Counter> & Record<(typeof gaugeNames)[number], Gauge>
> & {
  readonly downstream_rq_time: Histogram;
  readonly downstream_cx_length_ms: Histogram;
  readonly http2: Http2Stats;
  /** By the version of HTTP. */
  readonly underscores: { readonly 1: UnderscoreStats; readonly 2: UnderscoreStats };
  /** Requests of the proxy's own: copies. */
  readonly ownRequests: Counter;
  /** `downstream_rq_2xx` and so on. */
  countStatus(status: number): void;
};

export function createHttpStats(metrics: MetricRegistry, prefix: string): HttpStats {
  const scope = metrics.scope({
    path: `http.${prefix}`,
    family: 'http',
    labels: { envoy_http_conn_manager_prefix: prefix },
  });
  const counters = Object.fromEntries(counterNames.map((name) => [name, scope.counter(name)]));
  const gauges = Object.fromEntries(gaugeNames.map((name) => [name, scope.gauge(name)]));
  return {
    ...(counters as Record<(typeof counterNames)[number], Counter>),
    ...(gauges as Record<(typeof gaugeNames)[number], Gauge>),
    downstream_rq_time: scope.histogram('downstream_rq_time'),
    downstream_cx_length_ms: scope.histogram('downstream_cx_length_ms'),
    http2: createHttp2Stats(metrics.scope({ path: 'http2', family: 'http2', labels: {} }), ''),
    underscores: {
      1: createUnderscoreStats(metrics, 'http1'),
      2: createUnderscoreStats(metrics, 'http2'),
    },
    ownRequests: metrics
      .scope({
        path: 'http.async-client',
        family: 'http',
        labels: { envoy_http_conn_manager_prefix: 'async-client' },
      })
      .counter('rq_total'),
    countStatus: classCounter(scope),
  };
}

/** Only classes that HTTP has are counted (RFC 9110 §15). */
function classCounter(scope: Scope): (status: number) => void {
  const count = statusCounter(scope, 'downstream_rq', false);
  return (status) => {
    if (status < 600) count(status);
  };
}

/** A connection was accepted; its version may not be known yet. */
export function countConnection(facts: DownstreamFacts, stats: HttpStats): void {
  stats.downstream_cx_total.inc();
  stats.downstream_cx_active.add(1);
  if (!facts.secure) return;
  stats.downstream_cx_ssl_total.inc();
  stats.downstream_cx_ssl_active.add(1);
}

/** @param remote whether the client ended it @param busy whether a request was under way */
export function uncountConnection(
  facts: DownstreamFacts,
  stats: HttpStats,
  remote: boolean,
  busy: boolean,
): void {
  stats.downstream_cx_destroy.inc();
  (remote ? stats.downstream_cx_destroy_remote : stats.downstream_cx_destroy_local).inc();
  if (busy) {
    stats.downstream_cx_destroy_active_rq.inc();
    (remote
      ? stats.downstream_cx_destroy_remote_active_rq
      : stats.downstream_cx_destroy_local_active_rq
    ).inc();
  }
  stats.downstream_cx_active.add(-1);
  if (facts.secure) stats.downstream_cx_ssl_active.add(-1);
}
