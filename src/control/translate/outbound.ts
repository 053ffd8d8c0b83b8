/** What a sidecar does for the calls of its application, where these come to it by the application's own will. */

import { keyOf } from '#model/kinds.ts';
import { portProtocol } from '#model/port-protocol.ts';
import type { ServicePort } from '#model/service.ts';
import type { Filter } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import { type MeshService, serviceHost } from '../store/mesh-service.ts';
import { serviceListeners } from './annotation.ts';
import { detectedTo } from './detected-outbound.ts';
import { boundEgressListener, type EgressPart } from './egress.ts';
import { connectionManager } from './http-connection-manager.ts';
import type { Caller } from './http-route.ts';
import { boundListener, internalListener, type ListenerInit } from './listener.ts';
import { emptyCluster, forwardingCluster, reentryCluster } from './local-cluster.ts';
import { hostRoutesName, reentryListenerName } from './names.ts';
import { callerOf, opaqueListener, opaqueRules } from './opaque-outbound.ts';
import { outboundTraits, portManager } from './outbound-manager.ts';
import { peerHeaderGuard } from './peer-headers.ts';
import { httpProxyRoutes, type NamedRoutes, virtualHost } from './route-table.ts';
import type { Sidecar, SidecarPart } from './sidecar.ts';
import { portsCarriedAs, type RoutedHost, routedHosts } from './virtual-host.ts';

/** Istio's `meshConfig.proxyHttpPort`, where traffic is not captured. */
export const httpProxyPort = 15007;

/** Where the application calls by the HTTP proxy, and by ports of its own machine. */
export function translateOutbound(
  whole: Sidecar,
  egress: readonly EgressPart[],
  routes: readonly NamedRoutes[],
  caller: Caller,
): SidecarPart {
  const parts = egress.map((part) => part.sidecar);
  const sidecar = { ...whole, index: whole.scope.index };
  return {
    listeners: [
      ...outboundListeners(sidecar, parts, routes, caller),
      ...egress.flatMap((part) => boundEgressListener(part) ?? []),
    ],
    clusters: [
      ...portsOf(routes).map((port) => reentryCluster(port)),
      ...parts
        .flatMap((part) => ownReentries(part, sidecar))
        .map(({ host, port }) => reentryCluster(port, host)),
      forwardingCluster(sidecar.index.settings),
      emptyCluster,
    ],
  };
}

function outboundListeners(
  sidecar: Sidecar,
  parts: readonly Sidecar[],
  routes: readonly NamedRoutes[],
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
    ...parts
      .flatMap((part) => ownReentries(part, sidecar))
      .map(({ host, port, init }) => internalListener(reentryListenerName(port, host), init)),
    ...serviceListenersOf(sidecar, caller),
  ];
}

interface OwnReentry {
  readonly host: string;
  readonly port: number;
  readonly init: ListenerInit;
}

/**
 * For ports of hosts whose protocol nothing says, and for those of which routes speak that are not of HTTP.
 *
 * @param part whose hosts they are
 */
function ownReentries({ index }: Sidecar, sidecar: Sidecar): OwnReentry[] {
  const caller = callerOf(sidecar);
  return [...index.services.values()].flatMap((service) => {
    const host = serviceHost(service);
    return [
      ...portsCarriedAs(service, 'AUTO').map((port) => ({
        ...{ host, port: port.port, init: detectedTo(service, port, sidecar) },
      })),
      ...portsCarriedAs(service, 'TCP')
        .filter((port) => opaqueRules(service, port, caller, sidecar.index).length > 0)
        .map((port) => ({ host, port: port.port, init: opaqueListener(service, port, sidecar) })),
    ];
  });
}

/** The listeners to which `NAME_SERVICE_HOST` and `NAME_SERVICE_PORT` point. */
function serviceListenersOf(sidecar: Sidecar, caller: Caller): Listener[] {
  const { pod, node, index, problems } = sidecar;
  if (pod === undefined) return [];
  const listeners = serviceListeners(pod, problems);
  const routed = listeners.length === 0 ? [] : routedHosts(caller, index);
  return listeners.flatMap(({ host, servicePort, localPort }) => {
    const service = index.services.get(host);
    const known = service?.spec.ports.find(({ port }) => port === servicePort);
    if (service === undefined || known === undefined) {
      const message = `there is no service ${host}:${servicePort} to listen for`;
      problems.push({ level: 'warning', message, resource: keyOf(pod) });
      return [];
    }
    const init =
      portProtocol(known).carriedAs === 'AUTO'
        ? detectedTo(service, known, sidecar)
        : serviceListener(service, known, routed, sidecar);
    return [boundListener('outbound', node.address, localPort, init)];
  });
}

function serviceListener(
  service: MeshService,
  port: ServicePort,
  routed: readonly RoutedHost[],
  sidecar: Sidecar,
): ListenerInit {
  const host = serviceHost(service);
  const http = routed.find((one) => one.host === host && one.port === port.port);
  if (http === undefined) return opaqueListener(service, port, sidecar);
  return { filterChains: [{ filters: [httpService(http, sidecar)] }] };
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
export function portsOf(routes: readonly NamedRoutes[]): number[] {
  return routes.map(({ name }) => Number(name)).filter((port) => !Number.isNaN(port));
}
