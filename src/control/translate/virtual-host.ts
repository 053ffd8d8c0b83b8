/** Hosts of the mesh on one port -> the virtual hosts that route to them. */

import { parseIp } from '#core/ip-address.ts';
import { isSameContent } from '#core/same-content.ts';
import { coversHost } from '#model/host-name.ts';
import { type CarriedProtocol, portProtocol } from '#model/port-protocol.ts';
import { isHeadless, type ServicePort } from '#model/service.ts';
import { isSingleAddress } from '#model/service-entry.ts';
import { gatewayNames, type VirtualService } from '#model/virtual-service.ts';
import type { VirtualHostSchema } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import { HostTable } from '../store/host-table.ts';
import { isNamedByCaller, type MeshService, serviceHost } from '../store/mesh-service.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import { withHashPolicy } from './hash-policy.ts';
import { hedged } from './hedging.ts';
import { type Caller, joinRoutes, translateHttpRoutes } from './http-route.ts';
import { asked, kept } from './kept.ts';
import type { Init } from './message.ts';
import { hostAliases, outboundClusterName } from './names.ts';
import { namespacesOf } from './namespace-services.ts';
import { defaultAction, type RouteInit } from './route-action.ts';
import { matchEverything } from './route-match.ts';

export type VirtualHostInit = Init<typeof VirtualHostSchema>;

/** The port that a host name without port means in HTTP. */
const httpPort = 80;

/** A host that callers may name, and the port on which. */
export interface RoutedHost {
  readonly host: string;
  readonly port: number;
  /** Names to call it by, without port. */
  readonly aliases: readonly string[];
  readonly routes: RouteInit[];
}

/** What a caller in the mesh may call over HTTP; in order of hosts. */
export function routedHosts(caller: Caller, index: ResourceIndex): readonly RoutedHost[] {
  return [...serviceHosts(caller, index, 'HTTP'), ...foreignHosts(caller, index)];
}

/** The ports of all services that are carried as `carriedAs`. */
export function serviceHosts(
  caller: Caller,
  index: ResourceIndex,
  carriedAs: CarriedProtocol,
): readonly RoutedHost[] {
  const { table } = httpServices(caller, index);
  return namespacesOf(index).flatMap((namespace) => {
    const { name, services, hosts } = namespace;
    const routed = hosts.map((host) => table.find(host));
    const said = routed.flatMap((all = []) => [all.length, ...all]);
    return kept(caller, `${carriedAs} ${name}`, [namespace, ...said], index, (watched) =>
      services.flatMap((service, at) =>
        portsCarriedAs(service, carriedAs).map((port) =>
          keptService(service, port, routed[at], caller, watched),
        ),
      ),
    );
  });
}

const portsOf = new WeakMap<MeshService, Map<CarriedProtocol, readonly ServicePort[]>>();

export function portsCarriedAs(service: MeshService, carriedAs: CarriedProtocol): readonly ServicePort[] {
  const known = portsOf.get(service) ?? new Map<CarriedProtocol, readonly ServicePort[]>();
  portsOf.set(service, known);
  const ports =
    known.get(carriedAs) ?? meshPorts(service).filter((port) => portProtocol(port).carriedAs === carriedAs);
  known.set(carriedAs, ports);
  return ports;
}

/** Whether captured connections to it may be made to addresses that are not its own alone. */
export function isTakenAnywhere(service: MeshService, index: ResourceIndex): boolean {
  if (service.entry === undefined) return false;
  if (isNamedByCaller(service) || addressRanges(service).length > 0) return true;
  return index.addressesOf(serviceHost(service)).length === 0;
}

/** Those by which a host is known besides single addresses. */
export function addressRanges({ entry }: MeshService): readonly string[] {
  return (entry?.addresses ?? []).filter((address) => !isSingleAddress(address));
}

/** Ports that the mesh carries at all. */
export function meshPorts({ spec }: Pick<MeshService, 'spec'>): readonly ServicePort[] {
  return spec.type === 'ExternalName' ? [] : spec.ports.filter(({ protocol }) => protocol === 'TCP');
}

function keptService(
  service: MeshService,
  port: ServicePort,
  virtualServices: readonly VirtualService[] | undefined,
  caller: Caller,
  index: ResourceIndex,
): RoutedHost {
  const inputs = [service, port, ...(virtualServices ?? [])];
  return kept(caller, `routes of ${serviceHost(service)}:${port.port}`, inputs, index, (watched) =>
    sharedHost(port, routedService(service, port, virtualServices, caller, watched)),
  );
}

const hostsMade = new WeakMap<ServicePort, readonly RoutedHost[]>();

/** Callers may be told different things of one port; more than so many are not remembered. */
const MAX_MADE = 8;

/** Most callers are told the same: then it is the same object, and what is made of it is made once. */
function sharedHost(port: ServicePort, host: RoutedHost): RoutedHost {
  const made = hostsMade.get(port) ?? [];
  const same = made.find((one) => isSameContent(one, host));
  if (same === undefined) hostsMade.set(port, [host, ...made].slice(0, MAX_MADE));
  return same ?? host;
}

function routedService(
  service: MeshService,
  { port }: ServicePort,
  virtualServices: readonly VirtualService[] | undefined,
  caller: Caller,
  index: ResourceIndex,
): RoutedHost {
  const host = serviceHost(service);
  const asking = virtualServices === undefined ? [] : joinedRoutes(virtualServices, port, caller, index);
  // Routes for other callers or ports alone leave the service as it is (Istio).
  const routes =
    asking.length > 0
      ? asking
      : hedged(withHashPolicy(defaultRoute(port, host, index), caller, index), caller, index);
  const names = hostAliases(service, caller.namespace);
  const aliases = [...names, ...addressAliases(service, names, caller, index)];
  return { host, port, aliases, routes };
}

function defaultRoute(port: number, host: string, { settings }: ResourceIndex): RouteInit {
  const action = defaultAction(outboundClusterName(port, '', host), settings);
  return { name: 'default', match: matchEverything, action };
}

/** What callers also say who look names up themselves, or know addresses: those, or the name of one instance (Istio). */
function addressAliases(
  service: MeshService,
  names: readonly string[],
  { captured = false, client }: Caller,
  index: ResourceIndex,
): string[] {
  if (client === 'grpc') return [];
  if (!captured) return (service.entry?.addresses ?? []).filter(isSingleAddress).map(inUrl);
  if (isHeadless(service)) return names.map((name) => `*.${name}`);
  return index.addressesOf(serviceHost(service)).map(inUrl);
}

function inUrl(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

/** Hosts that only VirtualServices know, a wildcard that is none of a service among them: reached on the port of HTTP. */
function foreignHosts(caller: Caller, index: ResourceIndex): RoutedHost[] {
  const services = new Set(index.services.keys());
  return [...httpServices(caller, index).hosts].flatMap(([host, virtualServices]) => {
    const isWide = host.startsWith('*');
    const isKnown = isWide ? services.values().some((known) => coversHost(host, known)) : services.has(host);
    if (host === '*' || isKnown) return [];
    const foreign = kept(caller, `routes of ${host}`, virtualServices, index, (watched): RoutedHost => {
      const routes = joinedRoutes(virtualServices, httpPort, caller, watched);
      return { host, port: httpPort, aliases: [inUrl(host)], routes };
    });
    return foreign.routes.length === 0 ? [] : [foreign];
  });
}

function joinedRoutes(
  virtualServices: readonly VirtualService[],
  port: number,
  caller: Caller,
  index: ResourceIndex,
): RouteInit[] {
  const parts = virtualServices.map((one) => translateHttpRoutes(one, port, caller, index));
  return joinRoutes(parts, caller, index);
}

interface ServicesByHost {
  readonly hosts: ReadonlyMap<string, readonly VirtualService[]>;
  readonly table: HostTable<readonly VirtualService[]>;
}

/** The same for all callers at the same gateways. */
function httpServices({ gateways }: Pick<Caller, 'gateways'>, index: ResourceIndex): ServicesByHost {
  const name = `routes of HTTP at ${[...gateways].sort().join()}`;
  return asked(index, name, ['virtualServices', 'base services'], (of) =>
    of.derived.value(name, [of.virtualServices, of.bases.services], () => {
      const own = of.virtualServices.filter((one) => one.spec.http.length > 0 && isBound(one, { gateways }));
      return { hosts: servicesOfHosts(own, of), table: byHost(own, of) };
    }),
  );
}

/** All that are for a host, in order: the most specific of its names decides which they are. */
export function byHost(
  virtualServices: readonly VirtualService[],
  index: ResourceIndex,
): HostTable<readonly VirtualService[]> {
  const table = new HostTable<readonly VirtualService[]>();
  for (const [host, ofHost] of servicesOfHosts(virtualServices, index)) table.add(host, ofHost);
  return table;
}

function servicesOfHosts(
  virtualServices: readonly VirtualService[],
  index: ResourceIndex,
): ReadonlyMap<string, readonly VirtualService[]> {
  const found = new Map<string, VirtualService[]>();
  for (const virtualService of virtualServices) {
    for (const host of fullHosts(virtualService, index)) {
      const ofHost = found.get(host);
      if (ofHost === undefined) found.set(host, [virtualService]);
      else ofHost.push(virtualService);
    }
  }
  return found;
}

export function isBound({ metadata, spec }: VirtualService, { gateways }: Pick<Caller, 'gateways'>): boolean {
  return gatewayNames(spec.gateways, metadata.namespace ?? '').some((name) => gateways.has(name));
}

export function fullHosts({ metadata, spec }: VirtualService, index: ResourceIndex): readonly string[] {
  return spec.hosts.map((host) => index.fullName(host, metadata.namespace ?? ''));
}

/**
 * Every spelling of the host with the port, and without it where the port is the usual one or known from elsewhere. Who
 * writes a full name as DNS does, with a dot at its end, means the same (Istio).
 */
export function domainsOf({ host, aliases, port }: RoutedHost, portIsKnown: boolean): string[] {
  const isName = parseIp(host) === undefined;
  const names = aliases.flatMap((alias) => (alias === host && isName ? [alias, `${alias}.`] : [alias]));
  const bare = portIsKnown || port === httpPort ? names : [];
  return [...bare, ...names.map((name) => `${name}:${port}`)];
}
