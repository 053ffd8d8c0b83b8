/** What is counted about discovery, under the names of Istio's control plane. */
import type { Counter, Histogram, MetricRegistry } from '#observe/metrics-contract.ts';
import { type ResourceKind, resourceKinds, resourceTypes } from '#xds/resource-type.ts';

export interface DiscoveryMetrics {
  /** A response with resources of `kind` went out. */
  sent(kind: ResourceKind, bytes: number): void;
  rejected(kind: ResourceKind): void;
  /** A burst of changes ended and proxies are being told. */
  pushStarted(): void;
  /** @param seconds from the response to the proxy's acceptance of it. */
  converged(seconds: number): void;
  internalError(): void;
  /** A stream was not let in, or ended because of who it came from. */
  refused(): void;
}

/** Istio's bounds, seconds. */
const CONVERGENCE_BOUNDS = [0.01, 0.05, 0.1, 0.5, 1, 3, 5, 10, 20, 30];
const SIZE_BOUNDS = [1, 10_000, 1_000_000, 4_000_000, 10_000_000, 40_000_000];

export function discoveryMetrics(registry: MetricRegistry): DiscoveryMetrics {
  const byKind = <M>(make: (label: string) => M): Readonly<Record<ResourceKind, M>> =>
    Object.fromEntries(
      resourceKinds.map((kind) => [kind, make(resourceTypes[kind].service.toLowerCase())]),
    ) as Record<ResourceKind, M>;
  const pushes = registry.counterFamily('pilot_xds_pushes', 'Responses sent to proxies.', ['type']);
  const rejects = registry.counterFamily('pilot_total_xds_rejects', 'Responses that proxies refused.', [
    'type',
  ]);
  const sizes = registry.histogramFamily(
    'pilot_xds_config_size_bytes',
    'Size of the responses sent to proxies.',
    ['type'],
    SIZE_BOUNDS,
  );
  const pushesOf: Readonly<Record<ResourceKind, Counter>> = byKind((label) => pushes.with([label]));
  const rejectsOf: Readonly<Record<ResourceKind, Counter>> = byKind((label) => rejects.with([label]));
  const sizesOf: Readonly<Record<ResourceKind, Histogram>> = byKind((label) => sizes.with([label]));
  const bursts = registry.counterFamily('pilot_push_triggers', 'Bursts of changes told to proxies.', [
    'type',
  ]);
  const convergence = registry.histogramFamily(
    'pilot_proxy_convergence_time',
    'Seconds from a response to its acceptance by the proxy.',
    [],
    CONVERGENCE_BOUNDS,
  );
  const errors = registry.counterFamily(
    'pilot_total_xds_internal_errors',
    'Failures inside the control plane.',
    [],
  );
  const refusals = registry.counterFamily(
    'heddle_control_refused_streams_total',
    'Discovery streams refused for who they came from.',
    [],
  );
  const burst = bursts.with(['config']);
  const time = convergence.with([]);
  const error = errors.with([]);
  const refusal = refusals.with([]);
  return {
    sent(kind, bytes): void {
      pushesOf[kind].inc();
      sizesOf[kind].record(bytes);
    },
    rejected: (kind) => rejectsOf[kind].inc(),
    pushStarted: () => burst.inc(),
    converged: (seconds) => time.record(seconds),
    internalError: () => error.inc(),
    refused: () => refusal.inc(),
  };
}
