/**
 * The listeners for what an application sends, by the address and the port it was sent to: one for each address of a
 * service that is not looked into, and one for each port whose traffic says itself where it is to go. The names are Istio's.
 */
import { portProtocol } from '#model/port-protocol.ts';
import { isHeadless, type ServicePort } from '#model/service.ts';
import type { Filter } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import { isNamedByCaller, type MeshService, serviceHost } from '../store/mesh-service.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import { inboundCapturePort } from './captured-inbound.ts';
import { prefixRanges } from './connection-route.ts';
import { detectedTo, eachProtocol } from './detected-outbound.ts';
import { DisjointChains } from './disjoint-chains.ts';
import { asked } from './kept.ts';
import {
  boundListener,
  type FilterChainInit,
  httpInspector,
  type ListenerInit,
  listenerEverywhere,
  patience,
  plainHttp,
  tlsInspector,
} from './listener.ts';
import { duration, socketAddress } from './message.ts';
import { type OpaqueChain, type OpaqueChains, opaqueChains, opaqueListener } from './opaque-outbound.ts';
import { portsOf } from './outbound.ts';
import { portManager } from './outbound-manager.ts';
import type { NamedRoutes } from './route-table.ts';
import type { Sidecar } from './sidecar.ts';
import { addressRanges, isTakenAnywhere, portsCarriedAs } from './virtual-host.ts';

/** Where the kernel brings what the application sends. */
export const outboundCapturePort = 15_001;

/** What is taken at any address of one port. */
interface TakenPort {
  http: boolean;
  /** Of hosts without an address of their own: known by the name in the ClientHello, or by a range of addresses. */
  readonly chosen: DisjointChains<OpaqueChain>;
  /** What nothing else takes. */
  rest: { readonly host: string; readonly filters: Filter[] } | undefined;
}

/** @param elsewhere where connections go that nothing is known of. */
export function portListeners(
  sidecar: Sidecar,
  routes: readonly NamedRoutes[],
  elsewhere: readonly Filter[],
): readonly Listener[] {
  const taken = new Map<number, TakenPort>();
  const at = (port: number): TakenPort => {
    const known = taken.get(port) ?? {
      ...{ http: false, chosen: new DisjointChains<OpaqueChain>(), rest: undefined },
    };
    taken.set(port, known);
    return known;
  };
  for (const port of portsOf(routes)) at(port).http = true;
  for (const service of notOfHttpAlone(sidecar.index)) {
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

/** Services with such ports: few, where there are many. */
function notOfHttpAlone(index: ResourceIndex): readonly MeshService[] {
  return asked(index, 'services not of HTTP alone', ['services'], ({ derived, services }) =>
    derived.value('services not of HTTP alone', [services], () =>
      services
        .values()
        .filter((service) => notOnlyHttp(service).length > 0)
        .toArray(),
    ),
  );
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
  const { chosen, rest } = anywhereChains(service, port, sidecar);
  const areFree = chosen.map((chain) => found.chosen.add(chain));
  if (areFree.includes(false))
    tellTaken(service, port, `the same addresses at port ${port.port} are another host's`, sidecar);
  if (rest === undefined) return;
  if (found.rest === undefined) found.rest = { host, filters: rest };
  else tellTaken(service, port, `all that is sent to port ${port.port} goes to ${found.rest.host}`, sidecar);
}

/** By what routes ask for, else by name and range of addresses; without a match where none is known. */
function anywhereChains(service: MeshService, port: ServicePort, sidecar: Sidecar): OpaqueChains {
  const { carriedAs, tls } = portProtocol(port);
  const { chosen, rest } = opaqueChains(service, port, sidecar);
  const ranges = addressRanges(service);
  const inRange = ranges.length === 0 ? {} : { prefixRanges: prefixRanges(ranges) };
  const chains = [
    ...chosen.map(({ filters, filterChainMatch }) => ({
      filters,
      // A route that names addresses means those and no others.
      filterChainMatch: { ...inRange, ...filterChainMatch },
    })),
    ...(rest === undefined
      ? []
      : [
          {
            filters: rest,
            filterChainMatch: tls
              ? { ...inRange, transportProtocol: 'tls', serverNames: [serviceHost(service)] }
              : inRange,
          },
        ]),
  ];
  const known = chains.filter(({ filterChainMatch }) => Object.keys(filterChainMatch).length > 0);
  const http = [portManager(port.port, sidecar)];
  return {
    chosen:
      carriedAs === 'TCP'
        ? known
        : known.flatMap(({ filters, filterChainMatch }) => eachProtocol(filterChainMatch, http, filters)),
    rest: tls || ranges.length > 0 ? undefined : rest,
  };
}

function tellTaken(service: MeshService, { port }: ServicePort, why: string, { problems }: Sidecar): void {
  const { metadata, entry } = service;
  const message = `connections to ${serviceHost(service)}:${port} cannot be told from others: ${why}`;
  const resource = `ServiceEntry ${metadata.namespace}/${entry?.name}`;
  problems.push({ level: 'warning', message, resource, fix: 'give it addresses of its own' });
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
    filterChains: [...routed, ...chosen.chains],
    defaultFilterChain: { ...(rest === undefined && { name: 'PassthroughFilterChain' }), filters: other },
    ...inspected(taken, sidecar),
  });
}

/** Bytes are looked at where something depends on them; for ever, but where the server may be the one who begins. */
function inspected({ http, chosen, rest }: TakenPort, { index }: Sidecar): ListenerInit {
  const isNamed = ({ filterChainMatch }: OpaqueChain): boolean => filterChainMatch.serverNames !== undefined;
  const byName = chosen.chains.some(isNamed);
  const isServerFirst = rest !== undefined || !chosen.chains.every(isNamed);
  if (!http && !byName) return {};
  return {
    listenerFilters: [tlsInspector, ...(http ? [httpInspector] : [])],
    ...(isServerFirst
      ? patience(index.settings)
      : // A connection made ahead of its first request is HTTP all the same (Istio).
        { listenerFiltersTimeout: duration(0), continueOnListenerFiltersTimeout: true }),
  };
}

/**
 * Of ports that are TCP no first bytes are looked at: the server may be the one who speaks first.
 *
 * @param elsewhere where connections go that nothing is known of.
 */
export function addressListeners(sidecar: Sidecar, elsewhere: readonly Filter[]): readonly Listener[] {
  const { index } = sidecar;
  const listeners: Listener[] = [];
  // Two services may have one instance, or be given one address; the first has it.
  const taken = new Set<string>();
  for (const service of notOfHttpAlone(index)) {
    // An address would not say the host.
    if (isNamedByCaller(service)) continue;
    for (const servicePort of notOnlyHttp(service)) {
      const { port } = servicePort;
      const init =
        portProtocol(servicePort).carriedAs === 'AUTO'
          ? detectedTo(service, servicePort, sidecar)
          : opaqueListener(service, servicePort, sidecar, elsewhere);
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
