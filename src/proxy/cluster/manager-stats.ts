/** The statistics of all clusters together, by Envoy's names (`cluster_manager.*`). */
import { type LayMetrics, MetricLayout, metricsLaidOut } from '#observe/metric-layout.ts';
import type { MetricRegistry } from '#observe/metrics-contract.ts';

const counters = [
  'cluster_added',
  'cluster_modified',
  'cluster_removed',
  'cluster_updated',
  'cluster_updated_via_merge',
  'update_merge_cancelled',
  'update_out_of_merge_window',
] as const;
const gauges = ['active_clusters', 'warming_clusters'] as const;

type Laid = LayMetrics<(typeof counters)[number], (typeof gauges)[number], never>;

const Stats: Laid = metricsLaidOut(new MetricLayout(counters, gauges, []));

export type ClusterManagerStats = InstanceType<Laid>;

/** Every thread has the same clusters. */
export function createClusterManagerStats(metrics: MetricRegistry): ClusterManagerStats {
  return new Stats(metrics.scope({ path: 'cluster_manager', family: 'cluster_manager', labels: {} }));
}
