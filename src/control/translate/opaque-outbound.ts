/**
 * What a sidecar does with connections of its application that it does not look into: by default they go to the service
 * that was called, else where `tls` and `tcp` routes of VirtualServices say.
 */
import { create } from '@bufbuild/protobuf';
import { inRange, parseIp, parseRange } from '#core/ip-address.ts';
import { isSameList } from '#core/same-list.ts';
import { portProtocol } from '#model/port-protocol.ts';
import type { ServicePort } from '#model/service.ts';
import type { VirtualService } from '#model/virtual-service.ts';
import { type Filter, FilterSchema } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import { ConfigSchema } from '#xds/gen/envoy/extensions/filters/network/set_filter_state/v3/set_filter_state_pb.js';
import type { HostTable } from '../store/host-table.ts';
import { isNamedByCaller, type MeshService, serviceHost } from '../store/mesh-service.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import { type ConnectionRule, prefixRanges, serverNames } from './connection-route.ts';
import { DisjointChains } from './disjoint-chains.ts';
import type { Caller } from './http-route.ts';
import { kept } from './kept.ts';
import {
  type ConnectionTarget,
  type FilterChainMatchInit,
  type ListenerInit,
  tlsInspector,
} from './listener.ts';
import { sniForward } from './local-cluster.ts';
import { duration, pack } from './message.ts';
import { outboundClusterName } from './names.ts';
import { opaqueTo, type Sidecar } from './sidecar.ts';
import { tcpRules } from './tcp-route.ts';
import { callerProtocols } from './tls-context.ts';
import { tlsRules } from './tls-route.ts';
import { byHost, fullHosts, isBound } from './virtual-host.ts';

export interface OpaqueChain {
  readonly filters: Filter[];
  readonly filterChainMatch: FilterChainMatchInit;
}

export interface OpaqueChains {
  /** Connections that a route asks for. */
  readonly chosen: readonly OpaqueChain[];
  /** All others; undefined: the routes speak of names only, and these have none of them. */
  readonly rest: Filter[] | undefined;
}

/** What the routes say of connections to a port of a service; empty: nothing. */
export function opaqueRules(
  service: MeshService,
  port: ServicePort,
  caller: Caller,
  index: ResourceIndex,
): readonly ConnectionRule[] {
  const { tls, tcp } = connectionTables(index);
  const host = serviceHost(service);
  const rules = portProtocol(port).tls
    ? tlsRules(tls.find(host) ?? [], port.port, caller, index)
    : tcpRules(tcp.find(host) ?? [], port.port, caller, index);
  return caller.captured === true ? rules : calledByName(rules, service, index);
}

/** Who is called by name is called at the addresses of the service: rules that ask for others take none of it. */
function calledByName(
  rules: readonly ConnectionRule[],
  service: MeshService,
  index: ResourceIndex,
): readonly ConnectionRule[] {
  const known = [...index.addressesOf(serviceHost(service)), ...(service.entry?.addresses ?? [])];
  const addresses = known.map(parseIp).filter((address) => address !== undefined);
  const takes = ({ destinationSubnets }: ConnectionRule): boolean =>
    destinationSubnets.length === 0 ||
    prefixRanges(destinationSubnets).some(({ addressPrefix, prefixLen }) => {
      const range = parseRange(addressPrefix, prefixLen);
      return range !== undefined && addresses.some((address) => inRange(range, address));
    });
  const taking = rules.filter(takes).map((rule) => ({ ...rule, destinationSubnets: [] }));
  const last = taking.findIndex(({ sniHosts }) => sniHosts.length === 0);
  return last < 0 ? taking : taking.slice(0, last + 1);
}

export function opaqueChains(service: MeshService, port: ServicePort, sidecar: Sidecar): OpaqueChains {
  const rules = opaqueRules(service, port, callerOf(sidecar), sidecar.index);
  const { tls } = portProtocol(port);
  const last = rules.at(-1);
  const takesRest = !tls && last !== undefined && last.destinationSubnets.length === 0;
  const chosen = takesRest ? rules.slice(0, -1) : rules;
  const target = takesRest ? last.target : undefined;
  const disjoint = new DisjointChains<OpaqueChain>();
  for (const rule of chosen) {
    const filters = filtersTo(rule.target, port, sidecar);
    disjoint.add({ filterChainMatch: matchOf(rule, tls), filters });
  }
  return {
    chosen: disjoint.chains,
    rest: tls && rules.length > 0 ? undefined : ownFilters(service, port, target, sidecar),
  };
}

/** What of a listener says it, for all connections to one port of a service. @param elsewhere absent: they end */
export function opaqueListener(
  service: MeshService,
  port: ServicePort,
  sidecar: Sidecar,
  elsewhere?: readonly Filter[],
): ListenerInit {
  const { chosen, rest } = opaqueChains(service, port, sidecar);
  if (chosen.length === 0) return { filterChains: [{ filters: rest ?? [] }] };
  const others = rest ?? elsewhere;
  return {
    filterChains: [...chosen],
    ...(others !== undefined && { defaultFilterChain: { filters: [...others] } }),
    ...(portProtocol(port).tls && byName),
  };
}

/** A name is waited for: whoever speaks TLS begins. */
const byName: ListenerInit = {
  listenerFilters: [tlsInspector],
  listenerFiltersTimeout: duration(0),
  continueOnListenerFiltersTimeout: true,
};

function matchOf({ sniHosts, destinationSubnets }: ConnectionRule, tls: boolean): FilterChainMatchInit {
  return {
    ...(destinationSubnets.length > 0 && { prefixRanges: prefixRanges(destinationSubnets) }),
    ...(tls && { transportProtocol: 'tls', serverNames: serverNames(sniHosts) }),
  };
}

/** To the service itself, where no route says otherwise. */
function ownFilters(
  service: MeshService,
  port: ServicePort,
  target: ConnectionTarget | undefined,
  sidecar: Sidecar,
): Filter[] {
  const name = outboundClusterName(port.port, '', serviceHost(service));
  return filtersTo(target ?? { statPrefix: name, clusters: [{ name, weight: 1 }] }, port, sidecar);
}

function filtersTo(target: ConnectionTarget, from: ServicePort, sidecar: Sidecar): Filter[] {
  return asOpaque(target, opaqueTo(target, sidecar), sidecar.index, from);
}

/** Adds what the clusters need to know of connections that are not looked into. @param proxy ends with the TCP proxy */
export function asOpaque(
  target: ConnectionTarget,
  proxy: readonly Filter[],
  index: ResourceIndex,
  from?: ServicePort,
): Filter[] {
  const filters = [...proxy];
  const destinations = target.clusters.map(({ name }) => servicePortOf(name, index));
  // A cluster for HTTP would offer mutual TLS as if it were that.
  const isTakenForHttp = [from, ...destinations.map((one) => one?.port)].some(
    (port) => port !== undefined && portProtocol(port).carriedAs !== 'TCP',
  );
  const named = destinations.find((one) => one !== undefined && isNamedByCaller(one.service));
  // Before the one that asks for the endpoint.
  if (named?.port !== undefined) filters.splice(-1, 0, sniForward(named.port.port));
  return isTakenForHttp ? [asTcp, ...filters] : filters;
}

const asTcp: Filter = create(FilterSchema, {
  name: 'envoy.filters.network.set_filter_state',
  configType: {
    case: 'typedConfig',
    value: pack(ConfigSchema, {
      onNewConnection: [
        {
          key: { case: 'objectKey', value: 'envoy.network.application_protocols' },
          value: {
            case: 'formatString',
            value: {
              format: {
                case: 'textFormatSource',
                value: { specifier: { case: 'inlineString', value: callerProtocols.TCP.join(',') } },
              },
            },
          },
        },
      ],
    }),
  },
});

/** Of `outbound|PORT|SUBSET|HOST`. */
function servicePortOf(
  cluster: string,
  index: ResourceIndex,
): { readonly service: MeshService; readonly port: ServicePort | undefined } | undefined {
  const [, number, , host = ''] = cluster.split('|');
  const service = index.services.get(host);
  return service && { service, port: service.spec.ports.find(({ port }) => port === Number(number)) };
}

export function callerOf({ node, labels, captured }: Sidecar): Caller {
  const { namespace, client } = node;
  return { gateways: new Set(['mesh']), namespace, labels, client, captured };
}

interface ConnectionTables {
  readonly tls: HostTable<readonly VirtualService[]>;
  readonly tcp: HostTable<readonly VirtualService[]>;
  /** All that they say. */
  readonly entries: readonly unknown[];
}

/** The same object while they say the same, as other VirtualServices change more often. */
function connectionTables(index: ResourceIndex): ConnectionTables {
  return kept(
    index.derived.anchor,
    'connection tables',
    [],
    index,
    (watched, before: ConnectionTables | undefined) => {
      const inMesh = watched.virtualServices.filter((one) => isBound(one, { gateways: new Set(['mesh']) }));
      const tls = inMesh.filter(({ spec }) => spec.tls.length > 0);
      const tcp = inMesh.filter(({ spec }) => spec.tcp.length > 0);
      const entries = [tls, tcp].flatMap((all, at) =>
        all.flatMap((one) => [at, one, ...fullHosts(one, watched)]),
      );
      if (before !== undefined && isSameList(before.entries, entries)) return before;
      return { tls: byHost(tls, watched), tcp: byHost(tcp, watched), entries };
    },
  );
}
