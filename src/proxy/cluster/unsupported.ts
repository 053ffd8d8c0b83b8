/** What a `Cluster` may ask for and is not done: refused by its path, or warned of where nobody is harmed. */
import type { Cluster } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { Findings } from '../findings.ts';

export function refuseUnsupported(cluster: Cluster, findings: Findings): void {
  const common = cluster.commonLbConfig;
  const options = cluster.upstreamConnectionOptions;
  const idle: readonly (readonly [field: string, isSet: boolean, why: string])[] = [
    [
      'wait_for_warm_on_init',
      cluster.waitForWarmOnInit === false,
      'has no effect: nothing is served by a cluster before its endpoints are known',
    ],
    [
      'common_lb_config.update_merge_window',
      (common?.updateMergeWindow?.seconds ?? 0n) !== 0n || (common?.updateMergeWindow?.nanos ?? 0) !== 0,
      'has no effect: endpoints take effect when they come',
    ],
    [
      'upstream_connection_options.set_local_interface_name_on_upstream_connections',
      options?.setLocalInterfaceNameOnUpstreamConnections === true,
      'has no effect: nothing shows the name of an interface',
    ],
  ];
  for (const [field, isSet, why] of idle) if (isSet) findings.warn(field, why);
}
