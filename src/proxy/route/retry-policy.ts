/** `RetryPolicy` as a set of conditions and figures (Envoy, "x-envoy-retry-on"). */
import type { Any } from '@bufbuild/protobuf/wkt';
import type { RetryPolicy } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import type { Findings } from '../findings.ts';
import { compileHeaderMatch, type HeaderMatch } from './header-match.ts';
import {
  type BackOffRules,
  compileBackOff,
  compileResets,
  defaultBackOff,
  type ResetRules,
} from './retry-back-off.ts';
import { parseConditions } from './retry-conditions.ts';
import { compileHostPredicates, compileRetryPriority, type RetryHostRules } from './retry-plugins.ts';

export interface RetryRules {
  /** Or of `retryOn`. */
  readonly conditions: number;
  readonly retries: number;
  /** 0: none. */
  readonly perTryTimeoutMs: number;
  /** 0: none. */
  readonly perTryIdleTimeoutMs: number;
  readonly statusCodes: readonly number[];
  /** Of the response; any of them makes it worth a retry. */
  readonly responseHeaders: readonly HeaderMatch[];
  /** Such as have any value; requests ask for them, policies do not. */
  readonly headerNames: readonly string[];
  /** Of the request; when there are some, one has to match. */
  readonly requestHeaders: readonly HeaderMatch[];
  readonly backOff: BackOffRules;
  /** Undefined: responses have no say in how long a retry waits. */
  readonly resets: ResetRules | undefined;
  /** Undefined: all endpoints may be tried again. */
  readonly hosts: RetryHostRules | undefined;
  /** How often another endpoint is drawn in search of one that is not avoided. */
  readonly hostAttempts: number;
  /** After how many attempts their priorities are avoided; 0: never. */
  readonly priorityFrequency: number;
}

export const noRetries: RetryRules = {
  conditions: 0,
  retries: 1,
  perTryTimeoutMs: 0,
  perTryIdleTimeoutMs: 0,
  statusCodes: [],
  responseHeaders: [],
  headerNames: [],
  requestHeaders: [],
  backOff: defaultBackOff,
  resets: undefined,
  hosts: undefined,
  hostAttempts: 1,
  priorityFrequency: 0,
};

/** Envoy has the field and does not look at it. @param path of the route action or virtual host */
export function warnOfTypedPolicy(config: Any | undefined, path: string, findings: Findings): void {
  if (config === undefined) return;
  findings.warn(`${path}.retry_policy_typed_config`, 'has no effect, in Envoy too: write retry_policy');
}

export function compileRetryPolicy(policy: RetryPolicy, path: string, findings: Findings): RetryRules {
  const conditions = parseConditions(policy.retryOn, (word) => {
    // Istio's list may hold plain status codes.
    if (!/^\d{3}$/.test(word)) findings.warn(`${path}.retry_on`, `"${word}" is not a known condition`);
  });
  if (policy.refreshClusterOnRetry) {
    findings.warn(
      `${path}.refresh_cluster_on_retry`,
      'has no effect: no route chooses its cluster by a plugin',
    );
  }
  policy.retryOptionsPredicates.forEach(({ name }, i) => {
    findings.error(`${path}.retry_options_predicates[${i}]`, `"${name}" is not supported: none is built in`);
  });
  const hostAttempts = Number(policy.hostSelectionRetryMaxAttempts);
  if (hostAttempts < 0) findings.error(`${path}.host_selection_retry_max_attempts`, 'must not be negative');
  return {
    conditions,
    retries: policy.numRetries ?? 1,
    perTryTimeoutMs: findings.durationMs(`${path}.per_try_timeout`, policy.perTryTimeout) ?? 0,
    perTryIdleTimeoutMs: findings.durationMs(`${path}.per_try_idle_timeout`, policy.perTryIdleTimeout) ?? 0,
    statusCodes: [...policy.retriableStatusCodes],
    responseHeaders: policy.retriableHeaders.map((matcher, i) =>
      compileHeaderMatch(matcher, `${path}.retriable_headers[${i}]`, findings),
    ),
    headerNames: [],
    requestHeaders: policy.retriableRequestHeaders.map((matcher, i) =>
      compileHeaderMatch(matcher, `${path}.retriable_request_headers[${i}]`, findings),
    ),
    backOff: compileBackOff(policy.retryBackOff, `${path}.retry_back_off`, findings),
    resets: compileResets(policy.rateLimitedRetryBackOff, `${path}.rate_limited_retry_back_off`, findings),
    hosts: compileHostPredicates(policy, path, findings),
    hostAttempts: Math.max(1, hostAttempts),
    priorityFrequency: compileRetryPriority(policy, path, findings),
  };
}
