/** `outlier_detection.*` of a cluster, by Envoy's names. */
import type { Counter, Gauge, Scope } from '#observe/metrics-contract.ts';
import { type Detector, detectors } from './settings.ts';

const PREFIX = 'outlier_detection.';

export interface OutlierStats {
  readonly detected: Readonly<Record<Detector, Counter>>;
  readonly enforced: Readonly<Record<Detector, Counter>>;
  readonly enforcedTotal: Counter;
  readonly overflow: Counter;
  readonly active: Gauge;
  /** Names of before there were others. */
  readonly total: Counter;
  readonly consecutive5xx: Counter;
  readonly successRate: Counter;
}

const ejections = (name: string): string => `${PREFIX}ejections_${name}`;

/** Counters of {@link OutlierStats}. */
export const outlierCounterNames: readonly string[] = [
  ...detectors.flatMap((name) => [`detected_${name}`, `enforced_${name}`]),
  ...['detected_degradation', 'enforced_total', 'overflow', 'total', 'consecutive_5xx', 'success_rate'],
].map(ejections);

/** Its gauge. */
export const OUTLIERS_ACTIVE: string = ejections('active');

export function createOutlierStats(scope: Scope): OutlierStats {
  const counter = (name: string): Counter => scope.counter(ejections(name));
  const each = (kind: string): Record<Detector, Counter> =>
    Object.fromEntries(detectors.map((name) => [name, counter(`${kind}_${name}`)])) as Record<
      Detector,
      Counter
    >;
  // Of degraded endpoints, which are not looked for.
  counter('detected_degradation');
  return {
    detected: each('detected'),
    enforced: each('enforced'),
    enforcedTotal: counter('enforced_total'),
    overflow: counter('overflow'),
    active: scope.gauge(OUTLIERS_ACTIVE),
    total: counter('total'),
    consecutive5xx: counter('consecutive_5xx'),
    successRate: counter('success_rate'),
  };
}
