/** Whether an attempt that failed is made again, and when (Envoy, "x-envoy-retry-on"). */
import { lastOfKind } from '#core/last-of-kind.ts';
import type { Random } from '#core/random.ts';
import { headerOf } from '#http/header-list.ts';
import type { CircuitBreaker } from '../cluster/circuit-breaker.ts';
import type { ClusterStats } from '../cluster/stats.ts';
import type { HeaderSource } from '../route/header-match.ts';
import { noRetries, parseConditions, type RetryRules, retryOn } from '../route/retry-policy.ts';

/** How an attempt failed before a response came. */
export type AttemptFailure =
  | 'connect'
  | 'reset'
  | 'reset-before-request'
  | 'refused'
  | 'per-try-timeout'
  | 'overflow';

export type RetryVerdict = 'no' | 'again' | 'limit-exceeded' | 'overflow';

const grpcConditions: Readonly<Record<string, number>> = {
  '1': retryOn.cancelled,
  '4': retryOn['deadline-exceeded'],
  '8': retryOn['resource-exhausted'],
  '13': retryOn.internal,
  '14': retryOn.unavailable,
};

const beforeRequest = retryOn['connect-failure'] | retryOn['reset-before-request'];

export class RetryState {
  readonly rules: RetryRules;
  readonly #conditions: number;
  readonly #statusCodes: readonly number[];
  #left: number;
  #intervalMs: number;
  #counted = false;

  constructor(rules: RetryRules, conditions: number, statusCodes: readonly number[], retries: number) {
    this.rules = rules;
    this.#conditions = conditions;
    this.#statusCodes = statusCodes;
    this.#left = retries;
    this.#intervalMs = rules.baseIntervalMs;
  }

  onFailure(failure: AttemptFailure, breaker: CircuitBreaker, stats: ClusterStats): RetryVerdict {
    const on = this.#conditions;
    let wanted = false;
    if (failure !== 'overflow') {
      wanted = (on & (retryOn['5xx'] | retryOn['gateway-error'] | retryOn.reset)) !== 0;
      // Without a connection the request has not begun either.
      if (failure === 'connect') wanted ||= (on & beforeRequest) !== 0;
      if (failure === 'refused') wanted ||= (on & retryOn['refused-stream']) !== 0;
      if (failure === 'reset-before-request') wanted ||= (on & retryOn['reset-before-request']) !== 0;
    }
    return this.#verdict(wanted, breaker, stats);
  }

  onResponse(
    status: number,
    headers: readonly string[],
    breaker: CircuitBreaker,
    stats: ClusterStats,
  ): RetryVerdict {
    lastOfKind.retry = this;
    return this.#verdict(this.#isWorthRetry(status, headers), breaker, stats);
  }

  /** Up to twice the interval of the time before, at random. */
  nextDelayMs(random: Random): number {
    const interval = this.#intervalMs;
    this.#intervalMs = Math.min(interval * 2, this.rules.maxIntervalMs);
    return random.ratio() * interval;
  }

  /** Leaves the circuit breaker's count. */
  release(breaker: CircuitBreaker): void {
    if (!this.#counted) return;
    this.#counted = false;
    breaker.retries.release();
  }

  #isWorthRetry(status: number, headers: readonly string[]): boolean {
    const on = this.#conditions;
    if ((on & retryOn['5xx']) !== 0 && status >= 500) return true;
    if ((on & retryOn['gateway-error']) !== 0 && status >= 502 && status <= 504) return true;
    if ((on & retryOn['retriable-4xx']) !== 0 && status === 409) return true;
    if ((on & retryOn['retriable-status-codes']) !== 0 && this.#statusCodes.includes(status)) return true;
    if ((on & retryOn['retriable-headers']) !== 0) {
      const source = { requestHeaders: headers, method: '', path: '', authority: '', scheme: '' };
      if (this.rules.responseHeaders.some((matches) => matches(source))) return true;
    }
    const grpc = headerOf(headers, 'grpc-status');
    return grpc !== undefined && (on & (grpcConditions[grpc] ?? 0)) !== 0;
  }

  #verdict(wanted: boolean, breaker: CircuitBreaker, stats: ClusterStats): RetryVerdict {
    if (this.#counted) {
      this.release(breaker);
      if (!wanted) stats.upstream_rq_retry_success.inc();
    }
    if (!wanted) return 'no';
    if (this.#left === 0) {
      stats.upstream_rq_retry_limit_exceeded.inc();
      return 'limit-exceeded';
    }
    this.#left--;
    if (!breaker.retries.take()) {
      stats.upstream_rq_retry_overflow.inc();
      return 'overflow';
    }
    this.#counted = true;
    stats.upstream_rq_retry.inc();
    stats.upstream_rq_retry_backoff_exponential.inc();
    return 'again';
  }
}

/** Undefined where nothing is ever retried. Request headers speak only where the edge let them through. */
export function createRetryState(
  rules: RetryRules | undefined,
  source: HeaderSource,
  hasEnvoyHeaders: boolean,
): RetryState | undefined {
  const of = rules ?? noRetries;
  if (!hasEnvoyHeaders) {
    if (of.conditions === 0 || !allowsRequest(of, source)) return undefined;
    return new RetryState(of, of.conditions, of.statusCodes, of.retries);
  }
  const { requestHeaders: headers } = source;
  const asked = `${headerOf(headers, 'x-envoy-retry-on') ?? ''},${headerOf(headers, 'x-envoy-retry-grpc-on') ?? ''}`;
  const conditions = of.conditions | parseConditions(asked, () => {});
  if (conditions === 0 || !allowsRequest(of, source)) return undefined;
  const codes = (headerOf(headers, 'x-envoy-retriable-status-codes') ?? '')
    .split(',')
    .map(Number)
    .filter((code) => code > 0);
  const max = Number(headerOf(headers, 'x-envoy-max-retries') ?? Number.NaN);
  return new RetryState(
    of,
    conditions,
    [...of.statusCodes, ...codes],
    Number.isInteger(max) && max >= 0 ? max : of.retries,
  );
}

function allowsRequest({ requestHeaders }: RetryRules, source: HeaderSource): boolean {
  return requestHeaders.length === 0 || requestHeaders.some((matches) => matches(source));
}
