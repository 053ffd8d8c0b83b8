/** Limits of a cluster (Envoy, "Circuit breaking"). A place is taken before something is begun. */
import { type LimitedCount, limitedCount, type SharedCounts } from './limited-count.ts';

export interface CircuitLimits {
  readonly maxConnections: number;
  readonly maxPending: number;
  readonly maxRequests: number;
  readonly maxRetries: number;
}

/** Envoy's defaults. */
export const defaultCircuitLimits: CircuitLimits = {
  maxConnections: 1024,
  maxPending: 1024,
  maxRequests: 1024,
  maxRetries: 3,
};

/** How many counts a breaker has. */
export const CIRCUIT_COUNTS = 4;

export class CircuitBreaker {
  readonly connections: LimitedCount;
  readonly pending: LimitedCount;
  readonly requests: LimitedCount;
  readonly retries: LimitedCount;

  /** @param shared counts of all threads; absent where there is one. */
  constructor(limits: CircuitLimits, shared?: SharedCounts) {
    this.connections = limitedCount(shared, 0, limits.maxConnections);
    this.pending = limitedCount(shared, 1, limits.maxPending);
    this.requests = limitedCount(shared, 2, limits.maxRequests);
    this.retries = limitedCount(shared, 3, limits.maxRetries);
  }
}
