/** Makes what chooses among the endpoints of a cluster, as its settings say. */

import { SlowStart } from '../balance/slow-start.ts';
import { noRuntime } from '../runtime/values.ts';
import type { Balancer } from './balancer.ts';
import type { ClusterDeps } from './cluster.ts';
import { HostSet, type HostSetOptions } from './host-set.ts';
import { LocalMembers } from './local-members.ts';
import { localityKey } from './localities.ts';
import { OverrideBalancer } from './override-host.ts';
import type { ClusterSettings } from './settings.ts';
import type { ClusterStats } from './stats.ts';
import { SubsetBalancer } from './subset-balancer.ts';
import type { LocalCluster } from './zone-routing.ts';

export function createBalancer(settings: ClusterSettings, stats: ClusterStats, deps: ClusterDeps): Balancer {
  const { policy, panicPercent, failsInPanic, localityWeighted, zones } = settings;
  const { choiceCount, activeRequestBias, fullScan, slowStart, subsets, overrides } = settings;
  const { clock, random, home, runtime = noRuntime } = deps;
  const options: HostSetOptions = {
    policy,
    panicPercent,
    runtime,
    failsInPanic,
    localityWeighted,
    ownLocality: home?.locality && localityKey(home.locality),
    zones:
      zones === undefined || home === undefined || home.cluster === '' || home.cluster === settings.name
        ? undefined
        : {
            rules: zones,
            deps: { random, stats, panicPercent, failsInPanic, runtime, local: localCluster(deps) },
          },
    settings: {
      random,
      slowStart: slowStart && new SlowStart(slowStart, () => clock.nowMs()),
      fullScan,
      choiceCount,
      activeRequestBias,
      activeRequests: () => stats.upstream_rq_active.value,
      report: (name, value) => stats.scope.gauge(name).set(value),
    },
    onPanic: () => stats.lb_healthy_panic.inc(),
  };
  const inner = subsets === undefined ? new HostSet(options) : new SubsetBalancer(subsets, options, stats);
  return overrides === undefined ? inner : new OverrideBalancer(overrides, inner);
}

/** The one in force, which may be replaced. */
function localCluster({ home, cluster }: ClusterDeps): () => LocalCluster | undefined {
  const { cluster: name, locality } = home!;
  let members: LocalMembers | undefined;
  return () => {
    const runtime = cluster(name);
    if (runtime === undefined) return undefined;
    if (members?.cluster !== runtime) members = new LocalMembers(runtime, locality && localityKey(locality));
    return members;
  };
}
