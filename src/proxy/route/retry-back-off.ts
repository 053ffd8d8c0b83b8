/** How long a retry waits: by itself, or as the response said (Envoy, `retry_back_off`, `rate_limited_retry_back_off`). */
import { headerOf } from '#http/header-list.ts';
import {
  type RetryPolicy_RetryBackOff as BackOff,
  RetryPolicy_ResetHeaderFormat as Format,
  type RetryPolicy_RateLimitedRetryBackOff as RateLimitedBackOff,
} from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import type { Findings } from '../findings.ts';

/** The interval doubles with each retry. */
export interface BackOffRules {
  readonly baseIntervalMs: number;
  readonly maxIntervalMs: number;
}

export interface ResetHeader {
  readonly name: string;
  /** Whether the value is a moment, in seconds of Unix time, and not a number of seconds. */
  readonly isMoment: boolean;
}

export interface ResetRules {
  /** The first of them with a value of use counts. */
  readonly headers: readonly ResetHeader[];
  readonly maxIntervalMs: number;
}

/** Envoy's defaults. */
const BASE_INTERVAL_MS = 25;
const MAX_INTERVAL_FACTOR = 10;
const RESET_MAX_INTERVAL_MS = 300_000;
/** Envoy's timers go no further down. */
const MIN_INTERVAL_MS = 1;

export const defaultBackOff: BackOffRules = {
  baseIntervalMs: BASE_INTERVAL_MS,
  maxIntervalMs: BASE_INTERVAL_MS * MAX_INTERVAL_FACTOR,
};

export function compileBackOff(backOff: BackOff | undefined, path: string, findings: Findings): BackOffRules {
  if (backOff === undefined) return defaultBackOff;
  const base = findings.durationMs(`${path}.base_interval`, backOff.baseInterval);
  const max = findings.durationMs(`${path}.max_interval`, backOff.maxInterval);
  if (base === undefined) findings.error(`${path}.base_interval`, 'is missing');
  if (base === 0) findings.error(`${path}.base_interval`, 'must be more than 0');
  if (max === 0) findings.error(`${path}.max_interval`, 'must be more than 0');
  const baseIntervalMs = Math.max(MIN_INTERVAL_MS, base ?? BASE_INTERVAL_MS);
  const maxIntervalMs =
    max === undefined ? baseIntervalMs * MAX_INTERVAL_FACTOR : Math.max(MIN_INTERVAL_MS, max);
  if (maxIntervalMs < baseIntervalMs)
    findings.error(`${path}.max_interval`, 'must not be less than base_interval');
  return { baseIntervalMs, maxIntervalMs };
}

export function compileResets(
  backOff: RateLimitedBackOff | undefined,
  path: string,
  findings: Findings,
): ResetRules | undefined {
  if (backOff === undefined) return undefined;
  if (backOff.resetHeaders.length === 0) findings.error(`${path}.reset_headers`, 'is missing');
  const max = findings.durationMs(`${path}.max_interval`, backOff.maxInterval);
  if (max === 0) findings.error(`${path}.max_interval`, 'must be more than 0');
  return {
    headers: backOff.resetHeaders.map(({ name, format }, i) => {
      if (name === '') findings.error(`${path}.reset_headers[${i}].name`, 'is missing');
      return { name: name.toLowerCase(), isMoment: format === Format.UNIX_TIMESTAMP };
    }),
    maxIntervalMs: Math.max(MIN_INTERVAL_MS, max ?? RESET_MAX_INTERVAL_MS),
  };
}

/** What a response says of how long to wait, in ms; undefined where that is nothing of use. @param nowMs Unix time */
export function resetIntervalMs(
  { headers, maxIntervalMs }: ResetRules,
  response: readonly string[],
  nowMs: number,
): number | undefined {
  for (const { name, isMoment } of headers) {
    const value = headerOf(response, name)?.trim();
    if (value === undefined || !/^\d{1,18}$/.test(value)) continue;
    const seconds = isMoment ? Number(value) - Math.floor(nowMs / 1000) : Number(value);
    const intervalMs = seconds * 1000;
    if (intervalMs < 0 || intervalMs > maxIntervalMs) continue;
    // The first that can be read decides, and no wait is none.
    return intervalMs > MIN_INTERVAL_MS ? intervalMs : undefined;
  }
  return undefined;
}
