/**
 * What an application sends to a port whose protocol nothing says: HTTP, which its first bytes show, goes by the routes
 * of the host, and anything else to the host as it is (Istio's protocol detection).
 */
import type { ServicePort } from '#model/service.ts';
import type { Filter } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import { type MeshService, serviceHost } from '../store/mesh-service.ts';
import {
  type FilterChainMatchInit,
  httpInspector,
  type ListenerInit,
  patience,
  plainHttp,
  tlsInspector,
} from './listener.ts';
import { opaqueChains } from './opaque-outbound.ts';
import { hostManager } from './outbound-manager.ts';
import type { Sidecar } from './sidecar.ts';

/** What of a listener says it, for all connections to one port of one host. */
export function detectedTo(service: MeshService, port: ServicePort, sidecar: Sidecar): ListenerInit {
  const { chosen, rest = [] } = opaqueChains(service, port, sidecar);
  const http = [hostManager(port.port, serviceHost(service), sidecar)];
  return {
    filterChains: [
      { filters: http, filterChainMatch: plainHttp },
      ...chosen.flatMap(({ filters, filterChainMatch }) => eachProtocol(filterChainMatch, http, filters)),
    ],
    defaultFilterChain: { filters: rest },
    listenerFilters: [tlsInspector, httpInspector],
    ...patience(sidecar.index.settings),
  };
}

/** Whoever asks for the protocol in a range of addresses has to ask for each. */
export function eachProtocol(
  inRange: FilterChainMatchInit,
  http: readonly Filter[],
  others: readonly Filter[],
): { readonly filters: Filter[]; readonly filterChainMatch: FilterChainMatchInit }[] {
  return [
    { filters: [...http], filterChainMatch: { ...inRange, ...plainHttp } },
    ...['raw_buffer', 'tls'].map((transportProtocol) => ({
      filters: [...others],
      filterChainMatch: { ...inRange, transportProtocol },
    })),
  ];
}
