/** An `AdaptiveConcurrency` message, read once. */
import type { AdaptiveConcurrency } from '#xds/gen/envoy/extensions/filters/http/adaptive_concurrency/v3/adaptive_concurrency_pb.js';
import type { Percent } from '#xds/gen/envoy/type/v3/percent_pb.js';
import type { Findings } from '../../findings.ts';
import { flagOf } from '../../runtime/fields.ts';
import type { RuntimeValues } from '../../runtime/values.ts';
import type { GradientSettings } from './gradient-controller.ts';

export interface ConcurrencySettings {
  readonly isOn: () => boolean;
  /** Of the answer to a request too many. */
  readonly status: number;
  readonly gradient: GradientSettings;
}

/** Envoy's defaults. */
const UNAVAILABLE = 503;
const PERCENTILE = 50;
const MAX_LIMIT = 1000;
const MEASURED_REQUESTS = 50;
const MEASURING_LIMIT = 3;
const JITTER = 15;
const BUFFER = 25;

export function readConcurrency(
  config: AdaptiveConcurrency,
  at: string,
  runtime: RuntimeValues | undefined,
  findings: Findings,
): ConcurrencySettings {
  const status = config.concurrencyLimitExceededStatus?.code ?? UNAVAILABLE;
  const { concurrencyControllerConfig: controller } = config;
  if (controller.case === undefined) findings.error(`${at}.gradient_controller_config`, 'is missing');
  return {
    isOn: flagOf(config.enabled, runtime),
    status: status < 400 ? UNAVAILABLE : status,
    gradient: readGradient(controller.value, `${at}.gradient_controller_config`, findings),
  };
}

type Gradient = AdaptiveConcurrency['concurrencyControllerConfig']['value'];

function readGradient(config: Gradient, at: string, findings: Findings): GradientSettings {
  const { concurrencyLimitParams: limit, minRttCalcParams: rtt } = config ?? {};
  if (config !== undefined && limit === undefined)
    findings.error(`${at}.concurrency_limit_params`, 'is missing');
  if (config !== undefined && rtt === undefined) findings.error(`${at}.min_rtt_calc_params`, 'is missing');
  const share = (path: string, percent: Percent | undefined, byDefault: number): number => {
    const { value } = percent ?? { value: byDefault };
    if (value < 0 || value > 100) findings.error(`${path}.value`, 'must be 0 to 100');
    return value / 100;
  };
  const count = (path: string, value: number | undefined, byDefault: number): number => {
    if (value === 0) findings.error(path, 'must be at least 1');
    return value ?? byDefault;
  };
  const inRtt = `${at}.min_rtt_calc_params`;
  const inLimit = `${at}.concurrency_limit_params`;
  const updateMs = findings.durationMs(
    `${inLimit}.concurrency_update_interval`,
    limit?.concurrencyUpdateInterval,
  );
  if (limit !== undefined && (updateMs ?? 0) <= 0)
    findings.error(`${inLimit}.concurrency_update_interval`, 'must be above 0');
  const measureMs = findings.durationMs(`${inRtt}.interval`, rtt?.interval);
  const fixedMs = findings.durationMs(`${inRtt}.fixed_value`, rtt?.fixedValue);
  if (rtt !== undefined && (measureMs === undefined) === (fixedMs === undefined))
    findings.error(inRtt, 'must have one of interval and fixed_value');
  if (measureMs !== undefined && measureMs < 1) findings.error(`${inRtt}.interval`, 'must be at least 1ms');
  if (fixedMs !== undefined && fixedMs <= 0) findings.error(`${inRtt}.fixed_value`, 'must be above 0');
  const measuringLimit = count(`${inRtt}.min_concurrency`, rtt?.minConcurrency, MEASURING_LIMIT);
  return {
    percentile: share(`${at}.sample_aggregate_percentile`, config?.sampleAggregatePercentile, PERCENTILE),
    minLimit: count(`${inLimit}.min_concurrency_limit`, limit?.minConcurrencyLimit, measuringLimit),
    maxLimit: count(`${inLimit}.max_concurrency_limit`, limit?.maxConcurrencyLimit, MAX_LIMIT),
    updateMs: Math.max(1, updateMs ?? 1),
    fixedMinRttMs: fixedMs ?? 0,
    measureMs: measureMs ?? 0,
    jitter: share(`${inRtt}.jitter`, rtt?.jitter, JITTER),
    measuredRequests: count(`${inRtt}.request_count`, rtt?.requestCount, MEASURED_REQUESTS),
    measuringLimit,
    buffer: share(`${inRtt}.buffer`, rtt?.buffer, BUFFER),
  };
}
