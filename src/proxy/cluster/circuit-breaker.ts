/** Limits of a cluster for requests of one priority (Envoy, "Circuit breaking"). A place is taken before something is begun. */
import type { Scope } from '#observe/metrics-contract.ts';
import type { RequestPriority } from '../route/action.ts';
import type { RuntimeValues } from '../runtime/values.ts';
import type { Endpoint } from './endpoint.ts';
import { LimitGauges } from './limit-gauges.ts';
import { type AdjustableCount, type LimitedCount, limitedCount, type SharedCounts } from './limited-count.ts';
import { RetryBudget, type RetryBudgetRules } from './retry-budget.ts';

export interface CircuitLimits {
  readonly maxConnections: number;
  readonly maxPending: number;
  readonly maxRequests: number;
  readonly maxRetries: number;
  /** Takes the place of `maxRetries`. */
  readonly retryBudget: RetryBudgetRules | undefined;
  /** Of each endpoint. */
  readonly maxHostConnections: number;
  /** Whether gauges show what is left. */
  readonly tracksRemaining: boolean;
}

/** Envoy's defaults. */
export const defaultCircuitLimits: CircuitLimits = {
  maxConnections: 1024,
  maxPending: 1024,
  maxRequests: 1024,
  maxRetries: 3,
  retryBudget: undefined,
  maxHostConnections: Number.POSITIVE_INFINITY,
  tracksRemaining: false,
};

const COUNTS_A_PRIORITY = 4;

/** How many counts a cluster has: those of its two priorities. */
export const CIRCUIT_COUNTS: number = 2 * COUNTS_A_PRIORITY;

export interface BreakerDeps {
  readonly scope: Scope;
  /** Counts of all threads; absent where there is one. */
  readonly shared: SharedCounts | undefined;
  /** Whether this thread is the first of those that serve. */
  readonly isFirst: boolean;
}

export class CircuitBreaker {
  readonly connections: AdjustableCount;
  readonly pending: AdjustableCount;
  readonly requests: AdjustableCount;
  readonly retries: LimitedCount;
  readonly #limits: CircuitLimits;
  readonly #retryLimit: AdjustableCount;
  readonly #maxHostConnections: number;
  readonly #gauges: readonly LimitGauges[];

  constructor(limits: CircuitLimits, priority: RequestPriority, deps: BreakerDeps) {
    this.#limits = limits;
    const from = priority === 'high' ? COUNTS_A_PRIORITY : 0;
    const begins = limits.tracksRemaining ? deps.isFirst : undefined;
    const shown = (name: string, limit: number): LimitGauges =>
      new LimitGauges(deps.scope, priority, name, limit, begins);
    const gauges = [
      shown('cx', limits.maxConnections),
      shown('rq_pending', limits.maxPending),
      shown('rq', limits.maxRequests),
      shown('rq_retry', limits.maxRetries),
    ] as const;
    this.#gauges = gauges;
    const count = (at: 0 | 1 | 2 | 3, limit: number): AdjustableCount =>
      limitedCount(deps.shared, from + at, limit, gauges[at]);
    this.connections = count(0, limits.maxConnections);
    this.pending = count(1, limits.maxPending);
    this.requests = count(2, limits.maxRequests);
    const retries = count(3, limits.maxRetries);
    this.#retryLimit = retries;
    const { retryBudget } = limits;
    this.retries = retryBudget === undefined ? retries : new RetryBudget(retries, retryBudget, this);
    this.#maxHostConnections = limits.maxHostConnections;
  }

  /** Takes limits of the runtime. @param prefix of its keys, such as `circuit_breakers.reviews.default.` */
  readRuntime(runtime: RuntimeValues, prefix: string): void {
    const limits = this.#limits;
    this.connections.setLimit(runtime.integer(`${prefix}max_connections`, limits.maxConnections));
    this.pending.setLimit(runtime.integer(`${prefix}max_pending_requests`, limits.maxPending));
    this.requests.setLimit(runtime.integer(`${prefix}max_requests`, limits.maxRequests));
    this.#retryLimit.setLimit(runtime.integer(`${prefix}max_retries`, limits.maxRetries));
    const { retryBudget } = limits;
    if (retryBudget === undefined) return;
    (this.retries as RetryBudget).rules = {
      ...retryBudget,
      percent: runtime.double(`${prefix}retry_budget.budget_percent`, retryBudget.percent),
      minConcurrency: runtime.integer(
        `${prefix}retry_budget.min_retry_concurrency`,
        retryBudget.minConcurrency,
      ),
    };
  }

  /** One more connection to `endpoint`, unless that would be over a limit. */
  takeConnection(endpoint: Endpoint): boolean {
    return endpoint.connections < this.#maxHostConnections && this.connections.take();
  }

  /** Another takes its place, and shows the same. */
  retire(): void {
    for (const gauges of this.#gauges) gauges.retire();
  }
}
