/** Figures of xDS updates by Envoy's names: `update_attempt`, `update_success` and so on. */
import type { MetricRegistry, Scope, ScopeName } from '#observe/metrics-contract.ts';
import type { Counted, UpdateCounts, UpdateOutcome } from '#proxy/apply/update-counts.ts';
import { clusterScopeName } from '#proxy/cluster/stats.ts';
import type { FilterKind } from '#proxy/contract.ts';

/** @param filterKinds of the filters that have their configuration by a name */
export function countUpdates(
  metrics: MetricRegistry,
  filterKinds: (name: string) => Iterable<FilterKind>,
): UpdateCounts {
  const scopesOf = ({ kind, name, by }: Counted): ScopeName[] =>
    kind === 'extension'
      ? [...filterKinds(name)].map((filter) => extensionScope(filter, name))
      : [scopeOf(kind, name, by)];
  return {
    asked(counted) {
      for (const scope of scopesOf(counted)) metrics.scope(scope).tally('update_attempt');
    },
    answered(counted, outcome) {
      for (const scope of scopesOf(counted)) countOutcome(metrics.scope(scope), counted.kind, outcome);
    },
    forget(counted) {
      for (const { path } of scopesOf(counted)) metrics.removeScope(path);
    },
  };
}

function scopeOf(kind: Exclude<Counted['kind'], 'extension'>, name: string, by: string): ScopeName {
  if (kind === 'endpoint') return clusterScopeName(by);
  if (kind === 'route') {
    const labels = { envoy_http_conn_manager_prefix: by, envoy_rds_route_config: name };
    return { path: `http.${by}.rds.${name}`, family: 'http.rds', labels };
  }
  const path = {
    cluster: 'cluster_manager.cds',
    listener: 'listener_manager.lds',
    virtualHost: 'vhds',
    secret: `sds.${name}`,
    runtime: 'runtime',
    nameTable: 'nds',
    workloadGroup: 'wgds',
  }[kind];
  return { path, family: path, labels: {} };
}

/** Of filters whose configuration comes by that name. */
export function extensionScope(kind: FilterKind, name: string): ScopeName {
  const path = `extension_config_discovery.${kind}_filter.${name}`;
  return { path, family: 'extension_config_discovery', labels: {} };
}

function countOutcome(scope: Scope, kind: Counted['kind'], outcome: UpdateOutcome): void {
  scope.tally('update_attempt');
  if (outcome === 'rejected' || outcome === 'failure') {
    scope.tally(`update_${outcome}`);
    return;
  }
  scope.tally('update_success');
  if (kind === 'route' && outcome === 'success') scope.tally('config_reload');
  if (kind !== 'endpoint' || outcome === 'success') return;
  scope.tally(outcome === 'gone' ? 'update_empty' : 'update_no_rebuild');
}
