/** `outlier_detection` of a cluster, with Envoy's defaults. */
import type { OutlierDetection } from '#xds/gen/envoy/config/cluster/v3/outlier_detection_pb.js';
import type { Findings } from '../../findings.ts';

/** What is found wrong with an endpoint, by the name Envoy's counters have for it. */
export const detectors = [
  'consecutive_5xx',
  'consecutive_gateway_failure',
  'consecutive_local_origin_failure',
  'success_rate',
  'local_origin_success_rate',
  'failure_percentage',
  'local_origin_failure_percentage',
] as const;

export type Detector = (typeof detectors)[number];

export interface OutlierSettings {
  readonly intervalMs: number;
  readonly baseEjectionMs: number;
  readonly maxEjectionMs: number;
  readonly jitterMs: number;
  readonly maxEjectionPercent: number;
  readonly alwaysEjectsOne: boolean;
  /** Whether failures to connect are counted apart from what endpoints answer. */
  readonly splitsLocalOrigin: boolean;
  /** How many in a row; 0: they are not looked for. */
  readonly consecutive5xx: number;
  readonly consecutiveGatewayFailure: number;
  readonly consecutiveLocalOriginFailure: number;
  /** Percents of what is found by each that lead to an ejection. */
  readonly enforcing: Readonly<Record<Detector, number>>;
  readonly successRateMinimumHosts: number;
  readonly successRateRequestVolume: number;
  readonly successRateStdevFactor: number;
  readonly failurePercentageThreshold: number;
  readonly failurePercentageMinimumHosts: number;
  readonly failurePercentageRequestVolume: number;
  /** Whether an active check that succeeds takes an endpoint back. */
  readonly unejectedByChecks: boolean;
}

const INTERVAL_MS = 10_000;
const BASE_EJECTION_MS = 30_000;
const MAX_EJECTION_MS = 300_000;

export function readOutlierDetection(
  detection: OutlierDetection | undefined,
  findings: Findings,
): OutlierSettings | undefined {
  if (detection === undefined) return undefined;
  const path = 'outlier_detection';
  const d = detection;
  findings.refuse(`${path}.monitors`, d.monitors.length > 0);
  findings.refuse(`${path}.detect_degraded_hosts`, d.detectDegradedHosts === true);
  const duration = (field: string, value: typeof d.interval): number | undefined =>
    findings.durationMs(`${path}.${field}`, value);
  const percent = (field: string, value: number | undefined, otherwise: number): number => {
    if ((value ?? 0) > 100) findings.error(`${path}.${field}`, `${value} is no percentage (0 to 100)`);
    return value ?? otherwise;
  };
  const baseEjectionMs = duration('base_ejection_time', d.baseEjectionTime) ?? BASE_EJECTION_MS;
  const maxEjectionMs =
    duration('max_ejection_time', d.maxEjectionTime) ?? Math.max(MAX_EJECTION_MS, baseEjectionMs);
  if (maxEjectionMs < baseEjectionMs) {
    findings.error(`${path}.max_ejection_time`, 'must not be less than base_ejection_time');
  }
  for (const [field, value] of [
    ['interval', d.interval],
    ['base_ejection_time', d.baseEjectionTime],
    ['max_ejection_time', d.maxEjectionTime],
  ] as const) {
    if (value !== undefined && duration(field, value) === 0) {
      findings.error(`${path}.${field}`, 'must be greater than 0s');
    }
  }
  return {
    intervalMs: duration('interval', d.interval) ?? INTERVAL_MS,
    baseEjectionMs,
    maxEjectionMs,
    jitterMs: duration('max_ejection_time_jitter', d.maxEjectionTimeJitter) ?? 0,
    maxEjectionPercent: percent('max_ejection_percent', d.maxEjectionPercent, 10),
    alwaysEjectsOne: d.alwaysEjectOneHost ?? false,
    splitsLocalOrigin: d.splitExternalLocalOriginErrors,
    consecutive5xx: d.consecutive5xx ?? 5,
    consecutiveGatewayFailure: d.consecutiveGatewayFailure ?? 5,
    consecutiveLocalOriginFailure: d.consecutiveLocalOriginFailure ?? 5,
    enforcing: {
      consecutive_5xx: percent('enforcing_consecutive_5xx', d.enforcingConsecutive5xx, 100),
      consecutive_gateway_failure: percent(
        'enforcing_consecutive_gateway_failure',
        d.enforcingConsecutiveGatewayFailure,
        0,
      ),
      consecutive_local_origin_failure: percent(
        'enforcing_consecutive_local_origin_failure',
        d.enforcingConsecutiveLocalOriginFailure,
        100,
      ),
      success_rate: percent('enforcing_success_rate', d.enforcingSuccessRate, 100),
      local_origin_success_rate: percent(
        'enforcing_local_origin_success_rate',
        d.enforcingLocalOriginSuccessRate,
        100,
      ),
      failure_percentage: percent('enforcing_failure_percentage', d.enforcingFailurePercentage, 0),
      local_origin_failure_percentage: percent(
        'enforcing_failure_percentage_local_origin',
        d.enforcingFailurePercentageLocalOrigin,
        0,
      ),
    },
    successRateMinimumHosts: d.successRateMinimumHosts ?? 5,
    successRateRequestVolume: d.successRateRequestVolume ?? 100,
    successRateStdevFactor: (d.successRateStdevFactor ?? 1900) / 1000,
    failurePercentageThreshold: percent('failure_percentage_threshold', d.failurePercentageThreshold, 85),
    failurePercentageMinimumHosts: d.failurePercentageMinimumHosts ?? 5,
    failurePercentageRequestVolume: d.failurePercentageRequestVolume ?? 50,
    unejectedByChecks: d.successfulActiveHealthCheckUnejectHost ?? true,
  };
}
