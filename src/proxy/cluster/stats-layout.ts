/** Which figures a cluster has from the start, besides those of every cluster: they follow from its settings. */
import { MetricLayout } from '#observe/metric-layout.ts';
import type { RuntimeValues } from '../runtime/values.ts';
import { CLIENT_FACTORY, tlsCounterNames } from '../tls/tls-stats.ts';
import type { UpstreamTransport } from '../tls/upstream.ts';
import { remainingName } from './limit-gauges.ts';
import { OUTLIERS_ACTIVE, outlierCounterNames } from './outlier/stats.ts';
import type { ClusterSettings } from './settings.ts';
import { baseLayout } from './stats.ts';
import { matchCountName } from './transport-match.ts';

type Told = Pick<ClusterSettings, 'transport' | 'transportMatches' | 'circuit' | 'outlier'>;

/** Clusters of a mesh have a few sorts of figures between them. Each takes 10 KB. */
const MOST = 32;
const known = new Map<string, MetricLayout>();

interface Limit {
  /** In figures. */
  readonly shown: string;
  readonly setting: 'maxConnections' | 'maxPending' | 'maxRequests' | 'maxRetries';
  /** Last part of its key in the runtime. */
  readonly key: string;
}

const limits: readonly Limit[] = [
  { shown: 'cx', setting: 'maxConnections', key: 'max_connections' },
  { shown: 'rq_pending', setting: 'maxPending', key: 'max_pending_requests' },
  { shown: 'rq', setting: 'maxRequests', key: 'max_requests' },
  { shown: 'rq_retry', setting: 'maxRetries', key: 'max_retries' },
];

/** By the gauges that show what is left of them. */
const limitsByGauge: ReadonlyMap<string, Limit> = new Map(
  limits.map((limit) => [remainingName('default', limit.shown), limit]),
);

/** What such a gauge shows of a cluster that has no traffic; undefined: it is none. */
export function remainingAtRest(
  gauge: string,
  { name, circuit }: Pick<ClusterSettings, 'name' | 'circuit'>,
  runtime: RuntimeValues,
): number | undefined {
  const limit = limitsByGauge.get(gauge);
  if (limit === undefined || !circuit.default.tracksRemaining) return undefined;
  return runtime.integer(`circuit_breakers.${name}.default.${limit.key}`, circuit.default[limit.setting]);
}

export function transportsOf({
  transport,
  transportMatches,
}: Pick<Told, 'transport' | 'transportMatches'>): UpstreamTransport[] {
  return [transport, ...transportMatches.map((match) => match.transport)];
}

/** Undefined where there are too many other sorts: such a cluster makes its figures one by one. */
export function statsLayout(settings: Told): MetricLayout | undefined {
  const isSecure = transportsOf(settings).some(({ secure }) => secure);
  const isTracked = settings.circuit.default.tracksRemaining;
  const names = settings.transportMatches.map(({ name }) => name);
  const isWatched = settings.outlier !== undefined;
  if (!isSecure && !isTracked && !isWatched && names.length === 0) return baseLayout;
  const key = JSON.stringify([isSecure, isTracked, isWatched, names]);
  const before = known.get(key);
  if (before !== undefined || known.size >= MOST) return before;
  const counters = new Set([
    ...baseLayout.counter,
    ...(isSecure ? tlsCounterNames(CLIENT_FACTORY) : []),
    ...(isWatched ? outlierCounterNames : []),
    ...names.map(matchCountName),
  ]);
  const gauges = [
    ...baseLayout.gauge,
    ...(isTracked ? limitsByGauge.keys() : []),
    ...(isWatched ? [OUTLIERS_ACTIVE] : []),
  ];
  const layout = new MetricLayout([...counters], gauges, baseLayout.histogram);
  known.set(key, layout);
  return layout;
}
