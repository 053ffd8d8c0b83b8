/** What a sidecar does for the calls of its application, where these come to it by the application's own will. */

import { keyOf } from '#model/kinds.ts';
import { portProtocol } from '#model/port-protocol.ts';
import type { Filter } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import type { RouteConfiguration } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import { serviceHost } from '../store/mesh-service.ts';
import { serviceListeners } from './annotation.ts';
import { detectedTo } from './detected-outbound.ts';
import { connectionManager } from './http-connection-manager.ts';
import type { Caller } from './http-route.ts';
import { boundListener, internalListener } from './listener.ts';
import { emptyCluster, forwardingCluster, reentryCluster } from './local-cluster.ts';
import { hostRoutesName, outboundClusterName, reentryListenerName } from './names.ts';
import { outboundTraits, portManager } from './outbound-manager.ts';
import { peerHeaderGuard } from './peer-headers.ts';
import { httpProxyRoutes, virtualHost } from './route-table.ts';
import { opaqueTo, type Sidecar, type SidecarPart } from './sidecar.ts';
import { portsCarriedAs, type RoutedHost, routedHosts } from './virtual-host.ts';

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
    clusters: [
      ...portsOf(routes).map((port) => reentryCluster(port)),
      ...detectedPorts(sidecar).map(({ host, port }) => reentryCluster(port, host)),
      forwardingCluster,
      emptyCluster,
    ],
  };
}

function outboundListeners(
  sidecar: Sidecar,
  routes: readonly RouteConfiguration[],
  caller: Caller,
): readonly Listener[] {
  const { node } = sidecar;
  const proxy = connectionManager({
    ...outboundTraits(sidecar),
    statPrefix: httpProxyRoutes,
    routes: httpProxyRoutes,
    takesConnect: true,
  });
  return [
    boundListener('outbound', node.address, httpProxyPort, { filterChains: [{ filters: [proxy] }] }),
    ...portsOf(routes).map((port) =>
      internalListener(reentryListenerName(port), {
        filterChains: [{ filters: [portManager(port, sidecar)] }],
      }),
    ),
    ...detectedPorts(sidecar).map(({ host, port }) =>
      internalListener(reentryListenerName(port, host), detectedTo(port, host, sidecar)),
    ),
    ...serviceListenersOf(sidecar, caller),
  ];
}

/** Ports of hosts whose protocol nothing says. */
function detectedPorts({ index }: Sidecar): { readonly host: string; readonly port: number }[] {
  return [...index.services.values()].flatMap((service) =>
    portsCarriedAs(service, 'AUTO').map(({ port }) => ({ host: serviceHost(service), port })),
  );
}

/** The listeners to which `NAME_SERVICE_HOST` and `NAME_SERVICE_PORT` point. */
function serviceListenersOf(sidecar: Sidecar, caller: Caller): Listener[] {
  const { pod, node, index, problems } = sidecar;
  if (pod === undefined) return [];
  const listeners = serviceListeners(pod, problems);
  const routed = listeners.length === 0 ? [] : routedHosts(caller, index);
  return listeners.flatMap(({ host, servicePort, localPort }) => {
    const ports = index.services.get(host)?.spec.ports ?? [];
    const known = ports.find(({ port }) => port === servicePort);
    if (known === undefined) {
      const message = `there is no service ${host}:${servicePort} to listen for`;
      problems.push({ level: 'warning', message, resource: keyOf(pod) });
      return [];
    }
    const init =
      portProtocol(known).carriedAs === 'AUTO'
        ? detectedTo(servicePort, host, sidecar)
        : { filterChains: [{ filters: serviceFilters(host, servicePort, routed, sidecar) }] };
    return [boundListener('outbound', node.address, localPort, init)];
  });
}

function serviceFilters(
  host: string,
  port: number,
  routed: readonly RoutedHost[],
  sidecar: Sidecar,
): Filter[] {
  const http = routed.find((one) => one.host === host && one.port === port);
  if (http === undefined) return opaqueTo(outboundClusterName(port, '', host), sidecar);
  return [httpService(http, sidecar)];
}

/** The service whatever host the request names, as the listener's port says which is meant. */
function httpService(service: RoutedHost, sidecar: Sidecar): Filter {
  const name = hostRoutesName(service.port, service.host);
  return connectionManager({
    ...outboundTraits(sidecar),
    statPrefix: `outbound_${name}`,
    routes: {
      name,
      virtualHosts: [virtualHost(service, ['*'], service.routes)],
      validateClusters: false,
      ...peerHeaderGuard(sidecar.node.client),
    },
  });
}

/** RouteConfigurations of ports are named by them. */
export function portsOf(routes: readonly RouteConfiguration[]): number[] {
  return routes.map(({ name }) => Number(name)).filter((port) => !Number.isNaN(port));
}
