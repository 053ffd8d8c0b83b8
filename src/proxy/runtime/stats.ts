import { type LayMetrics, MetricLayout, metricsLaidOut } from '#observe/metric-layout.ts';
import type { MetricRegistry } from '#observe/metrics-contract.ts';

const counters = [
  'deprecated_feature_use',
  'load_error',
  'load_success',
  'override_dir_exists',
  'override_dir_not_exists',
] as const;
const gauges = [
  'admin_overrides_active',
  'deprecated_feature_seen_since_process_start',
  'num_keys',
  'num_layers',
] as const;

type Laid = LayMetrics<(typeof counters)[number], (typeof gauges)[number], never>;

const Stats: Laid = metricsLaidOut(new MetricLayout(counters, gauges, []));

export type RuntimeStats = InstanceType<Laid>;

/** Envoy's `runtime.*`. */
export function createRuntimeStats(metrics: MetricRegistry): RuntimeStats {
  return new Stats(metrics.scope({ path: 'runtime', family: 'runtime', labels: {} }));
}
