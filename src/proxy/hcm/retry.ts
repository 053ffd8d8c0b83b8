/** Whether an attempt that failed is made again, and when (Envoy, "x-envoy-retry-on"). */
import type { Clock } from '#core/clock.ts';
import { lastOfKind } from '#core/last-of-kind.ts';
import type { Random } from '#core/random.ts';
import { hasHeader, headerOf } from '#http/header-list.ts';
import type { CircuitBreaker } from '../cluster/circuit-breaker.ts';
import type { ClusterStats } from '../cluster/stats.ts';
import type { HeaderSource } from '../route/header-match.ts';
import { resetIntervalMs } from '../route/retry-back-off.ts';
import { conditionsAsked, retryOn } from '../route/retry-conditions.ts';
import { noRetries, type RetryRules } from '../route/retry-policy.ts';
import { RetriedHosts } from './retried-hosts.ts';

/** How an attempt failed before a response came. */
export type AttemptFailure =
  | 'connect'
  | 'reset'
  | 'reset-before-request'
  | 'refused'
  | 'per-try-timeout'
  | 'overflow';

export type RetryVerdict = 'no' | 'again' | 'limit-exceeded' | 'overflow';

/** The limits and figures that retries of a request count against. */
export interface RetryLimits {
  readonly breaker: CircuitBreaker;
  readonly stats: ClusterStats;
  readonly clock: Clock;
}

const grpcConditions: Readonly<Record<number, number>> = {
  1: retryOn.cancelled,
  4: retryOn['deadline-exceeded'],
  8: retryOn['resource-exhausted'],
  13: retryOn.internal,
  14: retryOn.unavailable,
};

const beforeRequest = retryOn['connect-failure'] | retryOn['reset-before-request'];

/** When a request is made again, by the policy and what it asks for itself. */
interface Asked {
  readonly conditions: number;
  readonly statusCodes: readonly number[];
  /** Names of response headers that make it worth a retry. */
  readonly headerNames: readonly string[];
  readonly retries: number;
}

export class RetryState {
  readonly rules: RetryRules;
  /** Undefined where endpoints and priorities may be tried again. */
  readonly hosts: RetriedHosts | undefined;
  readonly #asked: Asked;
  readonly #limits: RetryLimits;
  #left: number;
  #intervalMs: number;
  /** What the response said that is the reason for the next retry. */
  #resetMs: number | undefined;
  #counted = false;
  /** Whether there was a retry. */
  #begun = false;

  constructor(rules: RetryRules, asked: Asked, limits: RetryLimits) {
    this.rules = rules;
    this.hosts =
      rules.hosts === undefined && rules.priorityFrequency === 0 ? undefined : new RetriedHosts(rules);
    this.#asked = asked;
    this.#limits = limits;
    this.#left = asked.retries;
    this.#intervalMs = rules.backOff.baseIntervalMs;
  }

  onFailure(failure: AttemptFailure): RetryVerdict {
    const on = this.#asked.conditions;
    let wanted = false;
    if (failure !== 'overflow') {
      wanted = (on & (retryOn['5xx'] | retryOn['gateway-error'] | retryOn.reset)) !== 0;
      // Without a connection the request has not begun either.
      if (failure === 'connect') wanted ||= (on & beforeRequest) !== 0;
      if (failure === 'refused') wanted ||= (on & retryOn['refused-stream']) !== 0;
      if (failure === 'reset-before-request') wanted ||= (on & retryOn['reset-before-request']) !== 0;
    }
    return this.#verdict(wanted);
  }

  onResponse(status: number, headers: readonly string[]): RetryVerdict {
    lastOfKind.retry = this;
    const wanted = this.wants(status, headers);
    const { resets } = this.rules;
    if (wanted && resets !== undefined)
      this.#resetMs = resetIntervalMs(resets, headers, this.#limits.clock.wallMs());
    return this.#verdict(wanted);
  }

  /** A try takes long; it goes on while another is made, whatever the conditions say. */
  onSlowTry(): RetryVerdict {
    return this.#verdict(true);
  }

  /** Whether a response is worth a retry, be there one left or not. */
  wants(status: number, headers: readonly string[]): boolean {
    const { conditions: on, statusCodes, headerNames } = this.#asked;
    // From the rate limit of another proxy: it alone says so.
    if (hasHeader(headers, 'x-envoy-ratelimited')) return (on & retryOn['envoy-ratelimited']) !== 0;
    if ((on & retryOn['5xx']) !== 0 && status >= 500 && status < 600) return true;
    if ((on & retryOn['gateway-error']) !== 0 && status >= 502 && status <= 504) return true;
    if ((on & retryOn['retriable-4xx']) !== 0 && status === 409) return true;
    if ((on & retryOn['retriable-status-codes']) !== 0 && statusCodes.includes(status)) return true;
    if ((on & retryOn['retriable-headers']) !== 0) {
      if (headerNames.some((name) => hasHeader(headers, name))) return true;
      const requestHeaders = [':status', String(status), ...headers];
      const source = { requestHeaders, method: '', path: '', authority: '', scheme: '' };
      if (this.rules.responseHeaders.some((matches) => matches(source))) return true;
    }
    const grpc = headerOf(headers, 'grpc-status');
    return grpc !== undefined && (on & (grpcConditions[Number(grpc)] ?? 0)) !== 0;
  }

  /** As the response said; else up to twice the interval of the time before, at random. */
  nextDelayMs(random: Random): number {
    const reset = this.#resetMs;
    if (reset !== undefined) return reset + random.ratio() * (reset / 2);
    const interval = this.#intervalMs;
    this.#intervalMs = Math.min(interval * 2, this.rules.backOff.maxIntervalMs);
    return random.ratio() * interval;
  }

  /** Its time has come. */
  countRetry(): void {
    const { stats } = this.#limits;
    this.#begun = true;
    stats.upstream_rq_retry.inc();
    if (this.#resetMs === undefined) stats.upstream_rq_retry_backoff_exponential.inc();
    else stats.upstream_rq_retry_backoff_ratelimited.inc();
    this.#resetMs = undefined;
  }

  /** Leaves the circuit breaker's count. */
  release(): void {
    if (!this.#counted) return;
    this.#counted = false;
    this.#limits.breaker.retries.release();
  }

  #verdict(wanted: boolean): RetryVerdict {
    const { breaker, stats } = this.#limits;
    this.release();
    if (!wanted) {
      if (this.#begun) stats.upstream_rq_retry_success.inc();
      return 'no';
    }
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
    return 'again';
  }
}

/**
 * Undefined where nothing is ever retried.
 *
 * @param isAsked whether headers of the request ask for retries, and are believed.
 */
export function createRetryState(
  of: RetryRules = noRetries,
  source: HeaderSource,
  isAsked: boolean,
  limits: RetryLimits,
): RetryState | undefined {
  const { requestHeaders: headers } = source;
  const conditions = isAsked
    ? of.conditions |
      conditionsAsked(headerOf(headers, 'x-envoy-retry-on'), headerOf(headers, 'x-envoy-retry-grpc-on'))
    : of.conditions;
  if (conditions === 0 || !allowsRequest(of, source)) return undefined;
  if (!isAsked) return new RetryState(of, of, limits);
  const max = headerOf(headers, 'x-envoy-max-retries')?.trim();
  return new RetryState(
    of,
    {
      conditions,
      statusCodes: [...of.statusCodes, ...listed(headers, 'x-envoy-retriable-status-codes').map(Number)],
      headerNames: listed(headers, 'x-envoy-retriable-header-names').map((name) => name.toLowerCase()),
      retries: max !== undefined && /^\d{1,15}$/.test(max) ? Number(max) : of.retries,
    },
    limits,
  );
}

function listed(headers: readonly string[], name: string): string[] {
  const value = headerOf(headers, name);
  if (value === undefined) return [];
  return value
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
}

function allowsRequest({ requestHeaders }: RetryRules, source: HeaderSource): boolean {
  return requestHeaders.length === 0 || requestHeaders.some((matches) => matches(source));
}
