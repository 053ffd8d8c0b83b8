/** Figures of xDS updates by Envoy's names: `update_attempt`, `update_success` and so on. */
import type { MetricRegistry, Scope, ScopeName } from '#observe/metrics-contract.ts';
import type { CountUpdate } from '#proxy/apply/receive.ts';
import type { FilterKind } from '#proxy/contract.ts';

/** @param filterKinds of the filters that have their configuration by a name */
export function countUpdates(
  metrics: MetricRegistry,
  filterKinds: (name: string) => Iterable<FilterKind>,
): CountUpdate {
  return (kind, outcome, name) => {
    if (kind === 'extension') {
      for (const filter of filterKinds(name))
        countOutcome(metrics.scope(extensionScope(filter, name)), outcome);
      return;
    }
    const path = {
      cluster: 'cluster_manager.cds',
      listener: 'listener_manager.lds',
      endpoint: 'eds',
      route: 'rds',
      virtualHost: 'vhds',
      secret: `sds.${name}`,
      runtime: 'runtime',
      nameTable: 'nds',
      workloadGroup: 'wgds',
    }[kind];
    countOutcome(metrics.scope({ path, family: path, labels: {} }), outcome);
  };
}

/** Of filters whose configuration comes by that name. */
export function extensionScope(kind: FilterKind, name: string): ScopeName {
  const path = `extension_config_discovery.${kind}_filter.${name}`;
  return { path, family: 'extension_config_discovery', labels: {} };
}

function countOutcome(scope: Scope, outcome: Parameters<CountUpdate>[1]): void {
  scope.counter('update_attempt').inc();
  scope.counter(`update_${outcome}`).inc();
}
