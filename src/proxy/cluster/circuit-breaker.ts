/** Limits of a cluster for requests of one priority (Envoy, "Circuit breaking"). A place is taken before something is begun. */
import type { Scope } from '#observe/metrics-contract.ts';
import type { RequestPriority } from '../route/action.ts';
import type { Endpoint } from './endpoint.ts';
import { LimitGauges } from './limit-gauges.ts';
import { type LimitedCount, limitedCount, type SharedCounts } from './limited-count.ts';
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
  readonly connections: LimitedCount;
  readonly pending: LimitedCount;
  readonly requests: LimitedCount;
  readonly retries: LimitedCount;
  readonly #maxHostConnections: number;
  readonly #gauges: LimitGauges[] = [];

  constructor(limits: CircuitLimits, priority: RequestPriority, deps: BreakerDeps) {
    const from = priority === 'high' ? COUNTS_A_PRIORITY : 0;
    const begins = limits.tracksRemaining ? deps.isFirst : undefined;
    const count = (at: number, name: string, limit: number): LimitedCount => {
      const gauges = new LimitGauges(deps.scope, `circuit_breakers.${priority}.`, name, limit, begins);
      this.#gauges.push(gauges);
      return limitedCount(deps.shared, from + at, limit, gauges);
    };
    this.connections = count(0, 'cx', limits.maxConnections);
    this.pending = count(1, 'rq_pending', limits.maxPending);
    this.requests = count(2, 'rq', limits.maxRequests);
    const retries = count(3, 'rq_retry', limits.maxRetries);
    const { retryBudget } = limits;
    this.retries = retryBudget === undefined ? retries : new RetryBudget(retries, retryBudget, this);
    this.#maxHostConnections = limits.maxHostConnections;
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
