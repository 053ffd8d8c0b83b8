/** What a sidecar does for the calls of its application, where these come to it by the application's own will. */

import { keyOf } from '#model/kinds.ts';
import type { Filter } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import type { RouteConfiguration } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import { serviceListeners } from './annotation.ts';
import { connectionManager, type ManagerOptions } from './http-connection-manager.ts';
import type { Caller } from './http-route.ts';
import { boundListener, internalListener } from './listener.ts';
import { emptyCluster, forwardingCluster, reentryCluster } from './local-cluster.ts';
import { outboundClusterName, reentryListenerName } from './names.ts';
import { peerHeaderGuard } from './peer-headers.ts';
import { httpProxyRoutes, virtualHost } from './route-table.ts';
import type { Sidecar, SidecarPart } from './sidecar.ts';
import { tcpFilters } from './telemetry.ts';
import { type RoutedHost, routedHosts } from './virtual-host.ts';

/** Istio's `meshConfig.proxyHttpPort`, where traffic is not captured. */
export const httpProxyPort = 15007;

/** Where the application calls by the HTTP proxy, and by ports of its own machine. */
export function translateOutbound(
  sidecar: Sidecar,
  routes: readonly RouteConfiguration[],
  caller: Caller,
): SidecarPart {
  return {
    listeners: outboundListeners(sidecar, routes, caller),
    clusters: [...portsOf(routes).map(reentryCluster), forwardingCluster, emptyCluster],
  };
}

function outboundListeners(
  sidecar: Sidecar,
  routes: readonly RouteConfiguration[],
  caller: Caller,
): readonly Listener[] {
  const { node } = sidecar;
  const common = commonOf(sidecar);
  const proxy = connectionManager({
    ...common,
    statPrefix: httpProxyRoutes,
    routes: httpProxyRoutes,
    takesConnect: true,
  });
  return [
    boundListener('outbound', node.address, httpProxyPort, { filterChains: [{ filters: [proxy] }] }),
    ...portsOf(routes).map((port) =>
      internalListener(reentryListenerName(port), [{ filters: [portManager(port, sidecar)] }]),
    ),
    ...serviceListenersOf(sidecar, caller),
  ];
}

type Common = Pick<ManagerOptions, 'side' | 'client' | 'self' | 'captured' | 'looksUp'>;

function commonOf({ node: { client }, self, captured, looksUp }: Sidecar): Common {
  return { side: 'outbound', client, self, captured, looksUp };
}

/** Requests that were sent to `port`, whatever the host. */
export function portManager(port: number, sidecar: Sidecar): Filter {
  return connectionManager({
    ...commonOf(sidecar),
    statPrefix: `outbound_0.0.0.0_${port}`,
    routes: String(port),
  });
}

/** The listeners to which `NAME_SERVICE_HOST` and `NAME_SERVICE_PORT` point. */
function serviceListenersOf(sidecar: Sidecar, caller: Caller): Listener[] {
  const { pod, node, self, index, problems } = sidecar;
  if (pod === undefined) return [];
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
        ? [...tcpFilters(outboundClusterName(servicePort, '', host), 'outbound', node.client, self)]
        : [httpService(http, commonOf(sidecar))];
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
export function portsOf(routes: readonly RouteConfiguration[]): number[] {
  return routes.map(({ name }) => Number(name)).filter((port) => !Number.isNaN(port));
}
