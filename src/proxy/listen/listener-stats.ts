/** The statistics of a listener, by Envoy's names (`listener.<address>.*`). */
import type { Counter, Gauge, Histogram, MetricRegistry, Scope } from '#observe/metrics-contract.ts';
import { statusCounter } from '../cluster/stats.ts';

const counterNames = [
  'downstream_cx_total',
  'downstream_cx_destroy',
  'downstream_cx_overflow',
  'downstream_cx_overload_reject',
  'downstream_cx_transport_socket_connect_timeout',
  'downstream_global_cx_overflow',
  'downstream_listener_filter_error',
  'downstream_listener_filter_remote_close',
  'downstream_pre_cx_timeout',
  'extension_config_missing',
  'network_extension_config_missing',
  'no_filter_chain_match',
] as const;

const gaugeNames = ['downstream_cx_active', 'downstream_pre_cx_active'] as const;

export type ListenerStats = Readonly<Record<(typeof counterNames)[number], Counter>> &
  Readonly<Record<(typeof gaugeNames)[number], Gauge>> & {
    readonly downstream_cx_length_ms: Histogram;
    readonly connections_accepted_per_socket_event: Histogram;
    /** Of the thread that accepts. */
    readonly worker_cx_total: Counter;
    readonly worker_cx_active: Gauge;
    /** For what is counted elsewhere under the same names, such as TLS. */
    readonly scope: Scope;
  };

/** @param thread number of the thread that accepts. */
export function createListenerStats(metrics: MetricRegistry, address: string, thread: number): ListenerStats {
  const scope = metrics.scope({
    path: `listener.${address}`,
    family: 'listener',
    labels: { envoy_listener_address: address },
  });
  const counters = Object.fromEntries(counterNames.map((name) => [name, scope.counter(name)]));
  const gauges = Object.fromEntries(gaugeNames.map((name) => [name, scope.gauge(name)]));
  return {
    ...(counters as Record<(typeof counterNames)[number], Counter>),
    ...(gauges as Record<(typeof gaugeNames)[number], Gauge>),
    downstream_cx_length_ms: scope.histogram('downstream_cx_length_ms'),
    connections_accepted_per_socket_event: scope.histogram('connections_accepted_per_socket_event'),
    worker_cx_total: scope.counter(`worker_${thread}.downstream_cx_total`),
    worker_cx_active: scope.gauge(`worker_${thread}.downstream_cx_active`),
    scope,
  };
}

/** The requests that came by that listener. */
export function createListenerHttpCounter(
  metrics: MetricRegistry,
  address: string,
  statPrefix: string,
): (status: number) => void {
  const scope = metrics.scope({
    path: `listener.${address}.http.${statPrefix}`,
    family: 'listener.http',
    labels: { envoy_listener_address: address, envoy_http_conn_manager_prefix: statPrefix },
  });
  const completed = scope.counter('downstream_rq_completed');
  const count = statusCounter(scope, 'downstream_rq', false);
  return (status) => {
    completed.inc();
    count(status);
  };
}
