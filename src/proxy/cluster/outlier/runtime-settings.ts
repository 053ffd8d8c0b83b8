/** What the runtime says in place of `outlier_detection` (Envoy, "outlier_detection.*"). */
import type { RuntimeValues } from '../../runtime/values.ts';
import type { Detector, OutlierSettings } from './settings.ts';

const PREFIX = 'outlier_detection.';

/** By field: the key, and how many of its units are one of the field's. */
const numbers: readonly (readonly [field: NumberField, key: string, unit?: number])[] = [
  ['intervalMs', 'interval_ms'],
  ['baseEjectionMs', 'base_ejection_time_ms'],
  ['maxEjectionMs', 'max_ejection_time_ms'],
  ['jitterMs', 'max_ejection_time_jitter_ms'],
  ['maxEjectionPercent', 'max_ejection_percent'],
  ['consecutive5xx', 'consecutive_5xx'],
  ['consecutiveGatewayFailure', 'consecutive_gateway_failure'],
  ['consecutiveLocalOriginFailure', 'consecutive_local_origin_failure'],
  ['successRateMinimumHosts', 'success_rate_minimum_hosts'],
  ['successRateRequestVolume', 'success_rate_request_volume'],
  ['successRateStdevFactor', 'success_rate_stdev_factor', 1000],
  ['failurePercentageThreshold', 'failure_percentage_threshold'],
  ['failurePercentageMinimumHosts', 'failure_percentage_minimum_hosts'],
  ['failurePercentageRequestVolume', 'failure_percentage_request_volume'],
];

type NumberField = {
  [Field in keyof OutlierSettings]: OutlierSettings[Field] extends number ? Field : never;
}[keyof OutlierSettings];

const enforcingKeys: Readonly<Record<Detector, string>> = {
  consecutive_5xx: 'enforcing_consecutive_5xx',
  consecutive_gateway_failure: 'enforcing_consecutive_gateway_failure',
  consecutive_local_origin_failure: 'enforcing_consecutive_local_origin_failure',
  success_rate: 'enforcing_success_rate',
  local_origin_success_rate: 'enforcing_local_origin_success_rate',
  failure_percentage: 'enforcing_failure_percentage',
  local_origin_failure_percentage: 'enforcing_failure_percentage_local_origin',
};

/** Keys of the runtime that are read here. */
export const outlierKeys: readonly string[] = [
  ...numbers.map(([, key]) => PREFIX + key),
  ...Object.values(enforcingKeys).map((key) => PREFIX + key),
];

export function withRuntime(settings: OutlierSettings, runtime: RuntimeValues): OutlierSettings {
  if (runtime.version === 0) return settings;
  const read = numbers.map(([field, key, unit = 1]) => [
    field,
    runtime.integer(PREFIX + key, settings[field] * unit) / unit,
  ]);
  const enforcing = Object.entries(settings.enforcing).map(([detector, percent]) => [
    detector,
    runtime.integer(PREFIX + enforcingKeys[detector as Detector], percent),
  ]);
  return { ...settings, ...Object.fromEntries(read), enforcing: Object.fromEntries(enforcing) };
}
