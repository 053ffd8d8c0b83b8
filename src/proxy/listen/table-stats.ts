/** The statistics of all listeners together, by Envoy's names (`listener_manager.*`). */
import type { Counter, Gauge } from '#observe/metrics-contract.ts';
import type { DataPathDeps } from '../data-path-deps.ts';

const counterNames = [
  'listener_added',
  'listener_create_failure',
  'listener_create_success',
  'listener_in_place_updated',
  'listener_modified',
  'listener_removed',
  'listener_stopped',
] as const;

const gaugeNames = [
  'total_filter_chains_draining',
  'total_listeners_active',
  'total_listeners_draining',
  'total_listeners_warming',
  'workers_pinned',
  'workers_started',
] as const;

export type TableStats = Readonly<Record<(typeof counterNames)[number], Counter>> &
  Readonly<Record<(typeof gaugeNames)[number], Gauge>>;

/** Every thread has the same listeners: the first one counts them. */
export function createTableStats({ metrics, thread }: Pick<DataPathDeps, 'metrics' | 'thread'>): TableStats {
  const counts = (thread?.index ?? 0) === 0;
  const path = 'listener_manager';
  const scope = counts ? metrics.scope({ path, family: path, labels: {} }) : undefined;
  const counters = Object.fromEntries(counterNames.map((name) => [name, scope?.counter(name) ?? uncounted]));
  const gauges = Object.fromEntries(gaugeNames.map((name) => [name, scope?.gauge(name) ?? unmeasured]));
  const stats = { ...counters, ...gauges } as TableStats;
  stats.workers_started.set(1);
  return stats;
}

const uncounted: Counter = { inc() {}, value: 0 };
const unmeasured: Gauge = { set() {}, add() {}, value: 0 };
