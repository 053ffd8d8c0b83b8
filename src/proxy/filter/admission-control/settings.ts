/** An `AdmissionControl` message, read once. */
import type { RuntimePercent } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type {
  AdmissionControl,
  AdmissionControl_SuccessCriteria_HttpCriteria as HttpCriteria,
} from '#xds/gen/envoy/extensions/filters/http/admission_control/v3/admission_control_pb.js';
import type { Findings } from '../../findings.ts';
import { countOf, doubleOf, flagOf, shareOf } from '../../runtime/fields.ts';
import type { RuntimeValues } from '../../runtime/values.ts';

export interface AdmissionSettings {
  readonly isOn: () => boolean;
  readonly windowMs: number;
  readonly aggression: () => number;
  /** 0 to 1, both. */
  readonly successRate: () => number;
  readonly maxProbability: () => number;
  readonly minRequestsPerSecond: () => number;
  readonly isHttpSuccess: (status: number) => boolean;
  readonly isGrpcSuccess: (status: number) => boolean;
}

/** Envoy's defaults. */
const WINDOW_MS = 30_000;
const SUCCESS_PERCENT = 95;
const MAX_PERCENT = 80;
const FIRST_FAILURE = 500;
/** OK, CANCELLED, UNKNOWN, INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED, FAILED_PRECONDITION, OUT_OF_RANGE, UNIMPLEMENTED, UNAUTHENTICATED. */
const GRPC_SUCCESSES = [0, 1, 2, 3, 5, 6, 7, 9, 11, 12, 16];

export function readAdmission(
  config: AdmissionControl,
  at: string,
  runtime: RuntimeValues | undefined,
  findings: Findings,
): AdmissionSettings {
  const percent = (field: string, given: RuntimePercent | undefined, byDefault: number): (() => number) => {
    const { value } = given?.defaultValue ?? { value: given === undefined ? byDefault : 0 };
    if (value < 0 || value > 100) findings.error(`${at}.${field}.default_value.value`, 'must be 0 to 100');
    return shareOf(given, byDefault, runtime);
  };
  const successRate = percent('sr_threshold', config.srThreshold, SUCCESS_PERCENT);
  const aggression = doubleOf(config.aggression, 1, runtime);
  if (config.srThreshold !== undefined && (config.srThreshold.defaultValue?.value ?? 0) < 1)
    findings.error(`${at}.sr_threshold.default_value.value`, 'must be at least 1');
  if (config.evaluationCriteria.case === undefined) findings.error(`${at}.success_criteria`, 'is missing');
  const criteria = config.evaluationCriteria.value;
  const here = `${at}.success_criteria`;
  return {
    isOn: flagOf(config.enabled, runtime),
    windowMs: findings.durationMs(`${at}.sampling_window`, config.samplingWindow) ?? WINDOW_MS,
    aggression: () => Math.max(1, aggression()),
    successRate,
    maxProbability: percent('max_rejection_probability', config.maxRejectionProbability, MAX_PERCENT),
    minRequestsPerSecond: countOf(config.rpsThreshold, 0, runtime),
    isHttpSuccess: readHttp(criteria?.httpCriteria, `${here}.http_criteria`, findings),
    isGrpcSuccess: readGrpc(
      criteria?.grpcCriteria?.grpcSuccessStatus,
      `${here}.grpc_criteria.grpc_success_status`,
      findings,
    ),
  };
}

function readHttp(
  criteria: HttpCriteria | undefined,
  at: string,
  findings: Findings,
): (status: number) => boolean {
  if (criteria === undefined) return (status) => status < FIRST_FAILURE;
  const ranges = criteria.httpSuccessStatus;
  if (ranges.length === 0) findings.error(`${at}.http_success_status`, 'is missing');
  ranges.forEach(({ start, end }, i) => {
    const here = `${at}.http_success_status[${i}]`;
    if (start < 100 || end > 600 || start > end) findings.error(here, 'must be a range from 100 to 600');
  });
  return (status) => ranges.some(({ start, end }) => status >= start && status < end);
}

function readGrpc(
  statuses: readonly number[] | undefined,
  at: string,
  findings: Findings,
): (status: number) => boolean {
  if (statuses?.length === 0) findings.error(at, 'is missing');
  statuses?.forEach((status, i) => {
    if (status > 16) findings.error(`${at}[${i}]`, 'must be 0 to 16');
  });
  const successes = new Set(statuses ?? GRPC_SUCCESSES);
  return (status) => successes.has(status);
}
