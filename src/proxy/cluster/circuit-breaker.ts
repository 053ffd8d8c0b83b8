/** Limits of a cluster (Envoy, "Circuit breaking"). Checked before something is begun. */

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

export class CircuitBreaker {
  connections = 0;
  pending = 0;
  requests = 0;
  retries = 0;
  readonly limits: CircuitLimits;

  constructor(limits: CircuitLimits) {
    this.limits = limits;
  }

  mayConnect(): boolean {
    return this.connections < this.limits.maxConnections;
  }

  mayWait(): boolean {
    return this.pending < this.limits.maxPending;
  }

  mayRequest(): boolean {
    return this.requests < this.limits.maxRequests;
  }

  mayRetry(): boolean {
    return this.retries < this.limits.maxRetries;
  }
}
