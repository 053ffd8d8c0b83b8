/** The statistics of a `tcp_proxy`, by Envoy's names: `tcp.<stat_prefix>.*`. */
import type { Counter, Gauge, MetricRegistry } from '#observe/metrics-contract.ts';

const counterNames = [
  'downstream_cx_total',
  'downstream_cx_no_route',
  'downstream_cx_drain_close',
  'downstream_cx_rx_bytes_total',
  'downstream_cx_tx_bytes_total',
  'downstream_flow_control_paused_reading_total',
  'downstream_flow_control_resumed_reading_total',
  'early_data_received_count_total',
  'idle_timeout',
  'max_downstream_connection_duration',
  'upstream_flush_total',
] as const;

export type TcpStats = Readonly<Record<(typeof counterNames)[number], Counter>> & {
  readonly upstream_flush_active: Gauge;
};

export function createTcpStats(metrics: MetricRegistry, prefix: string): TcpStats {
  const scope = metrics.scope({
    path: `tcp.${prefix}`,
    family: 'tcp',
    labels: { envoy_tcp_prefix: prefix },
  });
  const counters = Object.fromEntries(counterNames.map((name) => [name, scope.counter(name)])) as Record<
    (typeof counterNames)[number],
    Counter
  >;
  return { ...counters, upstream_flush_active: scope.gauge('upstream_flush_active') };
}
