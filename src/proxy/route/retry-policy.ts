/** `RetryPolicy` as a set of conditions and figures (Envoy, "x-envoy-retry-on"). */
import type { RetryPolicy } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import type { Findings } from '../findings.ts';
import { compileHeaderMatch, type HeaderMatch } from './header-match.ts';

/** Conditions as bits. */
export const retryOn = {
  '5xx': 0x1,
  'gateway-error': 0x2,
  reset: 0x4,
  'connect-failure': 0x8,
  'retriable-4xx': 0x10,
  'refused-stream': 0x20,
  'retriable-status-codes': 0x40,
  'retriable-headers': 0x80,
  'reset-before-request': 0x100,
  'http3-post-connect-failure': 0x200,
  'envoy-ratelimited': 0x400,
  cancelled: 0x800,
  'deadline-exceeded': 0x1000,
  internal: 0x2000,
  'resource-exhausted': 0x4000,
  unavailable: 0x8000,
} as const;

export interface RetryRules {
  /** Or of {@link retryOn}. */
  readonly conditions: number;
  readonly retries: number;
  /** 0: none. */
  readonly perTryTimeoutMs: number;
  /** 0: none. */
  readonly perTryIdleTimeoutMs: number;
  readonly statusCodes: readonly number[];
  /** Of the response; any of them makes it worth a retry. */
  readonly responseHeaders: readonly HeaderMatch[];
  /** Of the request; when there are some, one has to match. */
  readonly requestHeaders: readonly HeaderMatch[];
  readonly baseIntervalMs: number;
  readonly maxIntervalMs: number;
  /** Whether hosts already tried are avoided. */
  readonly avoidPreviousHosts: boolean;
  /** How often another host is drawn for that. */
  readonly hostAttempts: number;
}

/** Envoy's back-off: 25 ms, at most ten times that. */
const BASE_INTERVAL_MS = 25;
const MAX_INTERVAL_FACTOR = 10;
const PREVIOUS_HOSTS = 'envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate';

export const noRetries: RetryRules = {
  conditions: 0,
  retries: 1,
  perTryTimeoutMs: 0,
  perTryIdleTimeoutMs: 0,
  statusCodes: [],
  responseHeaders: [],
  requestHeaders: [],
  baseIntervalMs: BASE_INTERVAL_MS,
  maxIntervalMs: BASE_INTERVAL_MS * MAX_INTERVAL_FACTOR,
  avoidPreviousHosts: false,
  hostAttempts: 1,
};

/** Bits of a comma-separated list; words that are not known are skipped, as Envoy does with those of a request. */
export function parseConditions(text: string, onUnknown: (word: string) => void): number {
  let conditions = 0;
  for (const word of text.split(',')) {
    const trimmed = word.trim();
    if (trimmed === '') continue;
    if (Object.hasOwn(retryOn, trimmed)) conditions |= retryOn[trimmed as keyof typeof retryOn];
    else onUnknown(trimmed);
  }
  return conditions;
}

export function compileRetryPolicy(policy: RetryPolicy, path: string, findings: Findings): RetryRules {
  const conditions = parseConditions(policy.retryOn, (word) => {
    // Istio's list may hold plain status codes.
    if (!/^\d{3}$/.test(word)) findings.warn(`${path}.retry_on`, `"${word}" is not a known condition`);
  });
  const baseIntervalMs =
    findings.durationMs(`${path}.retry_back_off.base_interval`, policy.retryBackOff?.baseInterval) ??
    BASE_INTERVAL_MS;
  if (policy.retryBackOff !== undefined && baseIntervalMs < 1) {
    findings.error(`${path}.retry_back_off.base_interval`, 'must be at least 1 ms');
  }
  let avoidPreviousHosts = false;
  policy.retryHostPredicate.forEach((predicate, i) => {
    const typeName =
      predicate.configType.case === undefined ? predicate.name : predicate.configType.value.typeUrl;
    if (typeName.endsWith(PREVIOUS_HOSTS) || typeName === 'envoy.retry_host_predicates.previous_hosts') {
      avoidPreviousHosts = true;
    } else findings.error(`${path}.retry_host_predicate[${i}]`, `"${predicate.name}" is not supported`);
  });
  return {
    conditions,
    retries: policy.numRetries ?? 1,
    perTryTimeoutMs: findings.durationMs(`${path}.per_try_timeout`, policy.perTryTimeout) ?? 0,
    perTryIdleTimeoutMs: findings.durationMs(`${path}.per_try_idle_timeout`, policy.perTryIdleTimeout) ?? 0,
    statusCodes: [...policy.retriableStatusCodes],
    responseHeaders: policy.retriableHeaders.map((matcher, i) =>
      compileHeaderMatch(matcher, `${path}.retriable_headers[${i}]`, findings),
    ),
    requestHeaders: policy.retriableRequestHeaders.map((matcher, i) =>
      compileHeaderMatch(matcher, `${path}.retriable_request_headers[${i}]`, findings),
    ),
    baseIntervalMs,
    maxIntervalMs:
      findings.durationMs(`${path}.retry_back_off.max_interval`, policy.retryBackOff?.maxInterval) ??
      baseIntervalMs * MAX_INTERVAL_FACTOR,
    avoidPreviousHosts,
    hostAttempts: Math.max(1, Number(policy.hostSelectionRetryMaxAttempts)),
  };
}
