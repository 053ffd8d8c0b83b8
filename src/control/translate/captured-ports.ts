/**
 * The listeners for what an application sends, by the address and the port it was sent to: one for each address of a
 * service that is not looked into, and one for each port whose traffic says itself where it is to go. The names are Istio's.
 */
import { portProtocol } from '#model/port-protocol.ts';
import { isHeadless, type ServicePort } from '#model/service.ts';
import type { Filter } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import type { RouteConfiguration } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import { isNamedByCaller, type MeshService, serviceHost } from '../store/mesh-service.ts';
import { inboundCapturePort } from './captured-inbound.ts';
import { detectedTo, undetectedTo } from './detected-outbound.ts';
import {
  boundListener,
  type FilterChainInit,
  type FilterChainMatchInit,
  httpInspector,
  type ListenerInit,
  listenerEverywhere,
  patience,
  plainHttp,
  tlsInspector,
} from './listener.ts';
import { sniForward } from './local-cluster.ts';
import { duration, socketAddress } from './message.ts';
import { outboundClusterName } from './names.ts';
import { portsOf } from './outbound.ts';
import { portManager } from './outbound-manager.ts';
import { opaqueTo, type Sidecar } from './sidecar.ts';
import { addressRanges, isTakenAnywhere, portsCarriedAs } from './virtual-host.ts';

/** Where the kernel brings what the application sends. */
export const outboundCapturePort = 15_001;

interface ChosenChain {
  readonly filters: Filter[];
  readonly filterChainMatch?: FilterChainMatchInit;
}

/** What is taken at any address of one port. */
interface TakenPort {
  http: boolean;
  /** Of hosts without an address of their own: known by the name in the ClientHello, or by a range of addresses. */
  readonly chosen: ChosenChain[];
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
    if (!isTakenAnywhere(service, sidecar.index)) continue;
    for (const port of notOnlyHttp(service)) takeAnywhere(service, port, at, sidecar);
  }
  return [...taken]
    .filter(([port]) => isForOthers(port, sidecar))
    .sort(([a], [b]) => a - b)
    .map(([port, found]) => portListener(port, found, sidecar, elsewhere));
}

function notOnlyHttp(service: MeshService): readonly ServicePort[] {
  return [...portsCarriedAs(service, 'TCP'), ...portsCarriedAs(service, 'AUTO')];
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
  const found = at(port.port);
  const [first, ...more] = anywhereChains(service, port, sidecar);
  if (first?.filterChainMatch !== undefined) {
    const isTaken = found.chosen.some(isSameMatch(first.filterChainMatch));
    if (!isTaken) found.chosen.push(first, ...more);
    else tellTaken(service, port, `the same addresses at port ${port.port} are another host's`, sidecar);
  } else if (found.rest === undefined)
    found.rest = { host, filters: anywhereFilters(service, port, sidecar) };
  else tellTaken(service, port, `all that is sent to port ${port.port} goes to ${found.rest.host}`, sidecar);
}

/** By name and range of addresses; without a match where neither is known. */
function anywhereChains(service: MeshService, port: ServicePort, sidecar: Sidecar): ChosenChain[] {
  const { carriedAs, tls } = portProtocol(port);
  const prefixRanges = addressRanges(service).map(prefixOf);
  const inRange = prefixRanges.length > 0 && { prefixRanges };
  const serverNames = [serviceHost(service)];
  const filters = anywhereFilters(service, port, sidecar);
  if (tls) return [{ filters, filterChainMatch: { ...inRange, transportProtocol: 'tls', serverNames } }];
  if (inRange === false) return [{ filters }];
  if (carriedAs === 'TCP') return [{ filters, filterChainMatch: inRange }];
  // Whoever asks for the protocol in a range has to ask for each.
  return [
    { filters: [portManager(port.port, sidecar)], filterChainMatch: { ...inRange, ...plainHttp } },
    ...['raw_buffer', 'tls'].map((transportProtocol) => ({
      filters,
      filterChainMatch: { ...inRange, transportProtocol },
    })),
  ];
}

function anywhereFilters(service: MeshService, { port, ...rest }: ServicePort, sidecar: Sidecar): Filter[] {
  const host = serviceHost(service);
  if (portProtocol({ port, ...rest }).carriedAs === 'AUTO') return undetectedTo(port, host, sidecar);
  const filters = opaqueTo(outboundClusterName(port, '', host), sidecar);
  // Before the one that asks for the endpoint.
  if (isNamedByCaller(service)) filters.splice(-1, 0, sniForward(port));
  return filters;
}

function tellTaken(service: MeshService, { port }: ServicePort, why: string, { problems }: Sidecar): void {
  const { metadata, entry } = service;
  const message = `connections to ${serviceHost(service)}:${port} cannot be told from others: ${why}`;
  const resource = `ServiceEntry ${metadata.namespace}/${entry?.name}`;
  problems.push({ level: 'warning', message, resource, fix: 'give it addresses of its own' });
}

function isSameMatch(match: FilterChainMatchInit): (chain: ChosenChain) => boolean {
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
  taken: TakenPort,
  sidecar: Sidecar,
  elsewhere: readonly Filter[],
): Listener {
  const { http, chosen, rest } = taken;
  const routed: FilterChainInit[] = http
    ? [{ filters: [portManager(port, sidecar)], filterChainMatch: plainHttp }]
    : [];
  const other = rest?.filters ?? [...elsewhere];
  return listenerEverywhere('outbound', port, {
    bindToPort: false,
    filterChains: [...routed, ...chosen],
    defaultFilterChain: { ...(rest === undefined && { name: 'PassthroughFilterChain' }), filters: other },
    ...inspected(taken, sidecar),
  });
}

/** Bytes are looked at where something depends on them; for ever, but where the server may be the one who begins. */
function inspected({ http, chosen, rest }: TakenPort, { index }: Sidecar): ListenerInit {
  const isNamed = ({ filterChainMatch }: ChosenChain): boolean => filterChainMatch?.serverNames !== undefined;
  const byName = chosen.some(isNamed);
  const isServerFirst = rest !== undefined || !chosen.every(isNamed);
  if (!http && !byName) return {};
  return {
    listenerFilters: [tlsInspector, ...(http ? [httpInspector] : [])],
    ...(isServerFirst
      ? patience(index.settings)
      : // A connection made ahead of its first request is HTTP all the same (Istio).
        { listenerFiltersTimeout: duration(0), continueOnListenerFiltersTimeout: true }),
  };
}

/** Of ports that are TCP no first bytes are looked at: the server may be the one who speaks first. */
export function addressListeners(sidecar: Sidecar): readonly Listener[] {
  const { index } = sidecar;
  const listeners: Listener[] = [];
  // Two services may have one instance, or be given one address; the first has it.
  const taken = new Set<string>();
  for (const service of index.services.values()) {
    // An address would not say the host.
    if (isNamedByCaller(service)) continue;
    for (const servicePort of notOnlyHttp(service)) {
      const { port } = servicePort;
      const init = addressTraits(serviceHost(service), servicePort, sidecar);
      for (const addresses of addressesOf(service, sidecar)) {
        const [first, ...more] = addresses.filter((address) => !taken.has(`${address}_${port}`));
        if (first === undefined) continue;
        for (const address of [first, ...more]) taken.add(`${address}_${port}`);
        listeners.push(addressListener(first, more, port, init));
      }
    }
  }
  return listeners;
}

function addressTraits(host: string, port: ServicePort, sidecar: Sidecar): ListenerInit {
  if (portProtocol(port).carriedAs === 'AUTO') return detectedTo(port.port, host, sidecar);
  return { filterChains: [{ filters: opaqueTo(outboundClusterName(port.port, '', host), sidecar) }] };
}

function addressListener(first: string, more: readonly string[], port: number, init: ListenerInit): Listener {
  const additionalAddresses = more.map((address) => ({ address: socketAddress(address, port) }));
  return boundListener('outbound', first, port, {
    bindToPort: false,
    ...(more.length > 0 && { additionalAddresses }),
    ...init,
  });
}

/** All of a service; of a headless one those of each instance, but for this one: calls to itself are not captured. */
function addressesOf(service: MeshService, { index, node }: Sidecar): readonly (readonly string[])[] {
  if (!isHeadless(service)) return [index.addressesOf(serviceHost(service))];
  return index.instancesOf(service).flatMap(({ address }) => {
    return address === undefined || address === node.address ? [] : [[address]];
  });
}
