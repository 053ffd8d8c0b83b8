/** What a sidecar does for the calls of its application, where these come to it by the application's own will. */

import type { Problem } from '#core/problem.ts';
import { keyOf } from '#model/kinds.ts';
import type { Pod } from '#model/pod.ts';
import type { Cluster } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { Filter } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import type { RouteConfiguration } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import type { ResourceIndex } from '../store/resource-index.ts';
import { serviceListeners } from './annotation.ts';
import { connectionManager, type ManagerOptions } from './http-connection-manager.ts';
import type { Caller } from './http-route.ts';
import { boundListener, internalListener } from './listener.ts';
import { emptyCluster, forwardingCluster, reentryCluster } from './local-cluster.ts';
import { outboundClusterName, reentryListenerName } from './names.ts';
import type { ProxyNode } from './node.ts';
import { peerHeaderGuard } from './peer-headers.ts';
import { httpProxyRoutes, virtualHost } from './route-table.ts';
import { tcpFilters } from './telemetry.ts';
import { type RoutedHost, routedHosts } from './virtual-host.ts';
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
  caller: Caller,
  problems: Problem[],
): readonly Listener[] {
  const common: Common = {
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
    ...(pod === undefined ? [] : serviceListenersOf(pod, node, index, common, caller, problems)),
  ];
}

type Common = Pick<ManagerOptions, 'side' | 'client' | 'self'>;

/** The listeners to which `NAME_SERVICE_HOST` and `NAME_SERVICE_PORT` point. */
function serviceListenersOf(
  pod: Pod,
  node: ProxyNode,
  index: ResourceIndex,
  common: Common,
  caller: Caller,
  problems: Problem[],
): Listener[] {
  const listeners = serviceListeners(pod, problems);
  const routed = listeners.length === 0 ? [] : routedHosts(caller, index);
  return listeners.flatMap(({ host, servicePort, localPort }) => {
    const ports = index.services.get(host)?.spec.ports ?? [];
    if (!ports.some(({ port }) => port === servicePort)) {
      const message = `there is no service ${host}:${servicePort} to listen for`;
      problems.push({ level: 'warning', message, resource: keyOf(pod) });
      return [];
    }
    const http = routed.find((one) => one.host === host && one.port === servicePort);
    const filters =
      http === undefined
        ? [...tcpFilters(outboundClusterName(servicePort, '', host), 'outbound', node.client, common.self)]
        : [httpService(http, common)];
    return [boundListener('outbound', node.address, localPort, { filterChains: [{ filters }] })];
  });
}

/** The service whatever host the request names, as the listener's port says which is meant. */
function httpService(service: RoutedHost, common: Common): Filter {
  const name = `${service.host}:${service.port}`;
  return connectionManager({
    ...common,
    statPrefix: `outbound_${name}`,
    routes: {
      name,
      virtualHosts: [virtualHost(service, ['*'], service.routes)],
      validateClusters: false,
      ...peerHeaderGuard(common.client),
    },
  });
}

/** RouteConfigurations of ports are named by them. */
function portsOf(routes: readonly RouteConfiguration[]): number[] {
  return routes.map(({ name }) => Number(name)).filter((port) => !Number.isNaN(port));
}
