/** What a sidecar does for the calls of its application, where these come to it by the application's own will. */

import type { Problem } from '#core/problem.ts';
import { keyOf } from '#model/kinds.ts';
import type { Pod } from '#model/pod.ts';
import type { Cluster } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import type { RouteConfiguration } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import type { ResourceIndex } from '../store/resource-index.ts';
import { serviceListeners } from './annotation.ts';
import { connectionManager, type ManagerOptions } from './http-connection-manager.ts';
import { boundListener, internalListener } from './listener.ts';
import { emptyCluster, forwardingCluster, reentryCluster } from './local-cluster.ts';
import { outboundClusterName, reentryListenerName } from './names.ts';
import type { ProxyNode } from './node.ts';
import { httpProxyRoutes } from './route-table.ts';
import { tcpFilters } from './telemetry.ts';
import { describeWorkload, workloadOf } from './workload.ts';

/** Istio's `meshConfig.proxyHttpPort`, where traffic is not captured. */
export const httpProxyPort = 15007;

/** Clusters that every sidecar has, besides those of the services. */
export function outboundOwnClusters(routes: readonly RouteConfiguration[]): readonly Cluster[] {
  return [...portsOf(routes).map(reentryCluster), forwardingCluster, emptyCluster];
}

export function outboundListeners(
  pod: Pod | undefined,
  node: ProxyNode,
  routes: readonly RouteConfiguration[],
  index: ResourceIndex,
  problems: Problem[],
): readonly Listener[] {
  const common: Pick<ManagerOptions, 'side' | 'client' | 'self'> = {
    side: 'outbound',
    client: node.client,
    self:
      pod === undefined
        ? describeWorkload(
            node.workloadName ?? node.podName,
            node.namespace,
            node.labels,
            node.clusterId,
            node.podName,
          )
        : workloadOf(pod, index, node.clusterId),
  };
  const proxy = connectionManager({
    ...common,
    statPrefix: httpProxyRoutes,
    routes: httpProxyRoutes,
    takesConnect: true,
  });
  return [
    boundListener('outbound', node.address, httpProxyPort, { filterChains: [{ filters: [proxy] }] }),
    ...portsOf(routes).map((port) => {
      const manager = connectionManager({
        ...common,
        statPrefix: `outbound_0.0.0.0_${port}`,
        routes: String(port),
      });
      return internalListener(reentryListenerName(port), [{ filters: [manager] }]);
    }),
    ...(pod === undefined ? [] : tcpListeners(pod, node, index, problems)),
  ];
}

/** The listeners to which `NAME_SERVICE_HOST` and `NAME_SERVICE_PORT` point. */
function tcpListeners(pod: Pod, node: ProxyNode, index: ResourceIndex, problems: Problem[]): Listener[] {
  const self = workloadOf(pod, index, node.clusterId);
  return serviceListeners(pod, problems).flatMap(({ host, servicePort, localPort }) => {
    const ports = index.services.get(host)?.spec.ports ?? [];
    if (!ports.some(({ port }) => port === servicePort)) {
      const message = `there is no service ${host}:${servicePort} to listen for`;
      problems.push({ level: 'warning', message, resource: keyOf(pod) });
      return [];
    }
    const cluster = outboundClusterName(servicePort, '', host);
    const filters = [...tcpFilters(cluster, 'outbound', node.client, self)];
    return [boundListener('outbound', node.address, localPort, { filterChains: [{ filters }] })];
  });
}

/** RouteConfigurations of ports are named by them. */
function portsOf(routes: readonly RouteConfiguration[]): number[] {
  return routes.map(({ name }) => Number(name)).filter((port) => !Number.isNaN(port));
}
