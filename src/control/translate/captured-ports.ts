/**
 * The listeners for what an application sends, by the address and the port it was sent to: one for each address of a
 * service that is not looked into, and one for each port whose traffic says itself where it is to go. The names are Istio's.
 */
import { portProtocol } from '#model/port-protocol.ts';
import { isHeadless, type ServicePort } from '#model/service.ts';
import { isSingleAddress } from '#model/service-entry.ts';
import type { Filter } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import type { RouteConfiguration } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import { isNamedByCaller, type MeshService, serviceHost } from '../store/mesh-service.ts';
import { inboundCapturePort } from './captured-inbound.ts';
import { inspection } from './inbound.ts';
import {
  boundListener,
  type FilterChainInit,
  type FilterChainMatchInit,
  httpInspector,
  type ListenerInit,
  listenerEverywhere,
  plainHttp,
  tlsInspector,
} from './listener.ts';
import { sniForward } from './local-cluster.ts';
import { duration, socketAddress } from './message.ts';
import { outboundClusterName } from './names.ts';
import { portManager, portsOf } from './outbound.ts';
import { opaqueTo, type Sidecar } from './sidecar.ts';
import { portsCarriedAs } from './virtual-host.ts';

/** Where the kernel brings what the application sends. */
export const outboundCapturePort = 15_001;

/** What is taken at any address of one port. */
interface TakenPort {
  http: boolean;
  /** Of hosts without an address of their own: known by the name in the ClientHello, or by a range of addresses. */
  readonly chosen: FilterChainInit[];
  /** What nothing else takes. */
  rest: { readonly host: string; readonly filters: Filter[] } | undefined;
}

/** @param elsewhere where connections go that nothing is known of. */
export function portListeners(
  sidecar: Sidecar,
  routes: readonly RouteConfiguration[],
  elsewhere: readonly Filter[],
): readonly Listener[] {
  const taken = new Map<number, TakenPort>();
  const at = (port: number): TakenPort => {
    const known = taken.get(port) ?? { http: false, chosen: [], rest: undefined };
    taken.set(port, known);
    return known;
  };
  for (const port of portsOf(routes)) at(port).http = true;
  for (const service of sidecar.index.services.values()) {
    if (service.entry === undefined) continue;
    for (const port of portsCarriedAs(service, 'TCP')) takeAnywhere(service, port, at, sidecar);
  }
  return [...taken]
    .filter(([port]) => isForOthers(port, sidecar))
    .sort(([a], [b]) => a - b)
    .map(([port, found]) => portListener(port, found, sidecar, elsewhere));
}

function isForOthers(port: number, { node, problems }: Sidecar): boolean {
  if (port !== outboundCapturePort && port !== inboundCapturePort) return true;
  const message = `port ${port} is the sidecar's own: requests to services on it are not routed`;
  problems.push({ level: 'warning', message, resource: node.id });
  return false;
}

/** A host of a ServiceEntry that has no single address by which to know it. */
function takeAnywhere(
  service: MeshService,
  port: ServicePort,
  at: (port: number) => TakenPort,
  sidecar: Sidecar,
): void {
  const host = serviceHost(service);
  const ranges = (service.entry?.addresses ?? []).filter((address) => !isSingleAddress(address));
  const isNamed = isNamedByCaller(service);
  if (!isNamed && ranges.length === 0 && sidecar.index.addressesOf(host).length > 0) return;
  const filters = opaqueTo(outboundClusterName(port.port, '', host), sidecar);
  // Before the one that asks for the endpoint.
  if (isNamed) filters.splice(-1, 0, sniForward(port.port));
  const filterChainMatch: FilterChainMatchInit = {
    ...(ranges.length > 0 && { prefixRanges: ranges.map(prefixOf) }),
    ...(portProtocol(port).tls && { transportProtocol: 'tls', serverNames: [host] }),
  };
  const found = at(port.port);
  if (Object.keys(filterChainMatch).length > 0) {
    if (!found.chosen.some(isSameMatch(filterChainMatch))) found.chosen.push({ filterChainMatch, filters });
    else tellTaken(service, port, `the same addresses at port ${port.port} are another host's`, sidecar);
  } else if (found.rest === undefined) found.rest = { host, filters };
  else tellTaken(service, port, `all that is sent to port ${port.port} goes to ${found.rest.host}`, sidecar);
}

function tellTaken(service: MeshService, { port }: ServicePort, why: string, { problems }: Sidecar): void {
  const { metadata, entry } = service;
  const message = `connections to ${serviceHost(service)}:${port} cannot be told from others: ${why}`;
  const resource = `ServiceEntry ${metadata.namespace}/${entry?.name}`;
  problems.push({ level: 'warning', message, resource, fix: 'give it addresses of its own' });
}

function isSameMatch(match: FilterChainMatchInit): (chain: FilterChainInit) => boolean {
  const text = JSON.stringify(match);
  return ({ filterChainMatch }) => JSON.stringify(filterChainMatch) === text;
}

function prefixOf(range: string): NonNullable<FilterChainMatchInit['prefixRanges']>[number] {
  const [addressPrefix = '', bits] = range.split('/');
  return { addressPrefix, prefixLen: Number(bits) };
}

/** What is none of it goes where it would have gone. */
function portListener(
  port: number,
  { http, chosen, rest }: TakenPort,
  sidecar: Sidecar,
  elsewhere: readonly Filter[],
): Listener {
  const routed: FilterChainInit[] = http
    ? [{ filters: [portManager(port, sidecar)], filterChainMatch: plainHttp }]
    : [];
  const other = rest?.filters ?? [...elsewhere];
  return listenerEverywhere('outbound', port, {
    bindToPort: false,
    filterChains: [...routed, ...chosen],
    defaultFilterChain: { ...(rest === undefined && { name: 'PassthroughFilterChain' }), filters: other },
    ...inspected(http, chosen, rest !== undefined),
  });
}

/** Bytes are looked at where something depends on them; for ever, but where the server may be the one who begins. */
function inspected(http: boolean, chosen: readonly FilterChainInit[], isServerFirst: boolean): ListenerInit {
  const byName = chosen.some(({ filterChainMatch }) => filterChainMatch?.serverNames !== undefined);
  if (!http && !byName) return {};
  return {
    listenerFilters: [tlsInspector, ...(http ? [httpInspector] : [])],
    ...(isServerFirst
      ? inspection
      : // A connection made ahead of its first request is HTTP all the same (Istio).
        { listenerFiltersTimeout: duration(0), continueOnListenerFiltersTimeout: true }),
  };
}

/** No first bytes are looked at: the server may be the one who speaks first. */
export function addressListeners(sidecar: Sidecar): readonly Listener[] {
  const { index } = sidecar;
  const listeners: Listener[] = [];
  // Two services may have one instance, or be given one address; the first has it.
  const taken = new Set<string>();
  for (const service of index.services.values()) {
    // An address would not say the host.
    if (isNamedByCaller(service)) continue;
    for (const { port } of portsCarriedAs(service, 'TCP')) {
      const filters = opaqueTo(outboundClusterName(port, '', serviceHost(service)), sidecar);
      for (const addresses of addressesOf(service, sidecar)) {
        const [first, ...more] = addresses.filter((address) => !taken.has(`${address}_${port}`));
        if (first === undefined) continue;
        for (const address of [first, ...more]) taken.add(`${address}_${port}`);
        listeners.push(addressListener(first, more, port, filters));
      }
    }
  }
  return listeners;
}

function addressListener(first: string, more: readonly string[], port: number, filters: Filter[]): Listener {
  const additionalAddresses = more.map((address) => ({ address: socketAddress(address, port) }));
  return boundListener('outbound', first, port, {
    bindToPort: false,
    ...(more.length > 0 && { additionalAddresses }),
    filterChains: [{ filters }],
  });
}

/** All of a service; of a headless one those of each instance, but for this one: calls to itself are not captured. */
function addressesOf(service: MeshService, { index, node }: Sidecar): readonly (readonly string[])[] {
  if (!isHeadless(service)) return [index.addressesOf(serviceHost(service))];
  return index.instancesOf(service).flatMap(({ address }) => {
    return address === undefined || address === node.address ? [] : [[address]];
  });
}
