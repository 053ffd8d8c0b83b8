/** `circuit_breakers` of a cluster, by the priority of requests. */
import type {
  CircuitBreakers,
  CircuitBreakers_Thresholds as Thresholds,
} from '#xds/gen/envoy/config/cluster/v3/circuit_breaker_pb.js';
import { RoutingPriority } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type { Findings } from '../findings.ts';
import type { RequestPriority } from '../route/action.ts';
import { type CircuitLimits, defaultCircuitLimits } from './circuit-breaker.ts';
import type { RetryBudgetRules } from './retry-budget.ts';

export type CircuitSettings = Readonly<Record<RequestPriority, CircuitLimits>>;

/** Envoy's defaults. */
const BUDGET_PERCENT = 20;
const MIN_RETRY_CONCURRENCY = 3;

export function readCircuit(breakers: CircuitBreakers | undefined, findings: Findings): CircuitSettings {
  const thresholds = breakers?.thresholds ?? [];
  const perHost = breakers?.perHostThresholds ?? [];
  for (const [i, threshold] of thresholds.entries()) refuseParts(threshold, i, findings);
  for (const [i, threshold] of perHost.entries()) refuseAllButConnections(threshold, i, findings);
  const limitsOf = (priority: RoutingPriority): CircuitLimits => {
    // The first of a priority counts, as in Envoy.
    const set = thresholds.find((threshold) => threshold.priority === priority);
    const host = perHost.find((threshold) => threshold.priority === priority);
    const d = defaultCircuitLimits;
    return {
      maxConnections: set?.maxConnections ?? d.maxConnections,
      maxPending: set?.maxPendingRequests ?? d.maxPending,
      maxRequests: set?.maxRequests ?? d.maxRequests,
      maxRetries: set?.maxRetries ?? d.maxRetries,
      retryBudget: readBudget(set),
      maxHostConnections: host?.maxConnections ?? d.maxHostConnections,
      tracksRemaining: set?.trackRemaining ?? false,
    };
  };
  return { default: limitsOf(RoutingPriority.DEFAULT), high: limitsOf(RoutingPriority.HIGH) };
}

function readBudget(thresholds: Thresholds | undefined): RetryBudgetRules | undefined {
  const budget = thresholds?.retryBudget;
  return (
    budget && {
      percent: budget.budgetPercent?.value ?? BUDGET_PERCENT,
      minConcurrency: budget.minRetryConcurrency ?? MIN_RETRY_CONCURRENCY,
    }
  );
}

function refuseParts({ retryBudget, maxConnectionPools }: Thresholds, i: number, findings: Findings): void {
  const path = `circuit_breakers.thresholds[${i}]`;
  findings.refuse(`${path}.max_connection_pools`, maxConnectionPools !== undefined);
  const { seconds = 0n, nanos = 0 } = retryBudget?.budgetInterval ?? {};
  findings.refuse(`${path}.retry_budget.budget_interval`, seconds !== 0n || nanos !== 0);
}

/** Envoy knows no other limit of a host either, and says so. */
function refuseAllButConnections(threshold: Thresholds, i: number, findings: Findings): void {
  const { maxPendingRequests, maxRequests, maxRetries, maxConnectionPools, retryBudget } = threshold;
  const others = [maxPendingRequests, maxRequests, maxRetries, maxConnectionPools, retryBudget];
  if (threshold.trackRemaining || others.some((limit) => limit !== undefined)) {
    findings.error(
      `circuit_breakers.per_host_thresholds[${i}]`,
      'can limit connections alone: set nothing but priority and max_connections',
    );
  }
}
