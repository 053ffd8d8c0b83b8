/**
 * What a sidecar does for the calls of its application where the kernel brings it every connection: one listener has
 * the socket, and hands each connection to the one for the address it was made to. The names are Istio's.
 */
import { isHeadless, type Service } from '#model/service.ts';
import type { Filter } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import type { RouteConfiguration } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import { serviceHost } from '../store/resource-index.ts';
import { inboundCapturePort } from './captured-inbound.ts';
import { boundListener, httpInspector, listenerEverywhere, plainHttp, tlsInspector } from './listener.ts';
import { emptyCluster, passthroughOutbound } from './local-cluster.ts';
import { duration } from './message.ts';
import { blackHoleCluster, outboundClusterName, passthroughCluster } from './names.ts';
import { portManager, portsOf } from './outbound.ts';
import type { Sidecar, SidecarPart } from './sidecar.ts';
import { tcpFilters } from './telemetry.ts';
import { portsCarriedAs } from './virtual-host.ts';

/** Where the kernel brings what the application sends. */
const outboundCapturePort = 15_001;

const listenerName = 'virtualOutbound';

export function captureOutbound(sidecar: Sidecar, routes: readonly RouteConfiguration[]): SidecarPart {
  return {
    listeners: [
      virtualOutbound(sidecar),
      ...httpPorts(sidecar, routes).map((port) => httpListener(port, sidecar)),
      ...addressListeners(sidecar),
    ],
    clusters: [passthroughOutbound, emptyCluster],
  };
}

function virtualOutbound(sidecar: Sidecar): Listener {
  return listenerEverywhere('outbound', outboundCapturePort, {
    name: listenerName,
    useOriginalDst: true,
    filterChains: [
      {
        // What was not captured would go round in circles.
        name: `${listenerName}-blackhole`,
        filterChainMatch: { destinationPort: outboundCapturePort },
        filters: opaqueTo(blackHoleCluster, sidecar),
      },
      { name: `${listenerName}-catchall-tcp`, filters: elsewhere(sidecar) },
    ],
  });
}

function httpPorts({ node, problems }: Sidecar, routes: readonly RouteConfiguration[]): readonly number[] {
  return portsOf(routes).filter((port) => {
    if (port !== outboundCapturePort && port !== inboundCapturePort) return true;
    const message = `port ${port} is the sidecar's own: requests to services on it are not routed`;
    problems.push({ level: 'warning', message, resource: node.id });
    return false;
  });
}

/** HTTP to any address at the port; what is none goes where it would have gone. */
function httpListener(port: number, sidecar: Sidecar): Listener {
  return listenerEverywhere('outbound', port, {
    bindToPort: false,
    filterChains: [{ filters: [portManager(port, sidecar)], filterChainMatch: plainHttp }],
    defaultFilterChain: { name: 'PassthroughFilterChain', filters: elsewhere(sidecar) },
    listenerFilters: [tlsInspector, httpInspector],
    // For ever: a connection made ahead of its first request is HTTP all the same (Istio).
    listenerFiltersTimeout: duration(0),
    continueOnListenerFiltersTimeout: true,
  });
}

/** No first bytes are looked at: the server may be the one who speaks first. */
function addressListeners(sidecar: Sidecar): readonly Listener[] {
  const { index } = sidecar;
  const byName = new Map<string, Listener>();
  for (const service of index.services.values()) {
    for (const { port } of portsCarriedAs(service, 'TCP')) {
      const filters = opaqueTo(outboundClusterName(port, '', serviceHost(service)), sidecar);
      for (const address of addressesOf(service, sidecar)) {
        const listener = boundListener('outbound', address, port, {
          bindToPort: false,
          filterChains: [{ filters }],
        });
        // Two services may have one instance; the first has it.
        if (!byName.has(listener.name)) byName.set(listener.name, listener);
      }
    }
  }
  return [...byName.values()];
}

/** Of a headless service those of its instances, but for this one: calls to itself are not captured. */
function addressesOf(service: Service, { index, node }: Sidecar): readonly string[] {
  if (!isHeadless(service)) {
    const address = index.addressOf(serviceHost(service));
    return address === undefined ? [] : [address];
  }
  return index.instancesOf(service).flatMap(({ address }) => {
    return address === undefined || address === node.address ? [] : [address];
  });
}

/** Where connections go that the mesh knows nothing of. */
function elsewhere(sidecar: Sidecar): Filter[] {
  const { mode } = sidecar.index.settings.outboundTrafficPolicy;
  return opaqueTo(mode === 'REGISTRY_ONLY' ? blackHoleCluster : passthroughCluster, sidecar);
}

function opaqueTo(cluster: string, { node, self }: Sidecar): Filter[] {
  return [...tcpFilters(cluster, 'outbound', node.client, self)];
}
