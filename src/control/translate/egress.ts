/** The listeners of a `Sidecar` for what the application sends: each with its own hosts, routes and perhaps a socket. */

import { create } from '@bufbuild/protobuf';
import { portProtocol } from '#model/port-protocol.ts';
import type { SidecarPort } from '#model/sidecar.ts';
import { TrafficDirection } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type { Filter } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import { type Listener, ListenerSchema } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import type { RouteConfiguration } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import { serviceHost } from '../store/mesh-service.ts';
import { type EgressScope, takesEveryPort } from '../store/scope.ts';
import { connectionManager } from './http-connection-manager.ts';
import type { Caller } from './http-route.ts';
import { boundListener } from './listener.ts';
import { pipeAddress } from './message.ts';
import { outboundClusterName } from './names.ts';
import { outboundTraits } from './outbound-manager.ts';
import { everyPortRoutes, httpProxyRoutes, type NamedRoutes } from './route-table.ts';
import { opaqueTo, type Sidecar } from './sidecar.ts';
import { meshPorts } from './virtual-host.ts';

/** One of them, as far as it is translated like any sidecar. */
export interface EgressPart {
  /** Sees what the listener is for, and nothing else. */
  readonly sidecar: Sidecar;
  /** Of ports; of the HTTP proxy in the part of the listener without a port. */
  readonly routes: readonly NamedRoutes[];
  /** Absent: it takes what the kernel brings, or what comes to the HTTP proxy. */
  readonly bound?: BoundEgress;
}

interface BoundEgress {
  /** An IP address; of a socket of Unix its path. */
  readonly address: string;
  readonly port: SidecarPort;
  /** Of the routes. */
  readonly name: string;
}

/** @param routes of each listener, in their order */
export function egressParts(
  sidecar: Sidecar,
  routes: readonly (readonly NamedRoutes[])[],
): readonly EgressPart[] {
  return sidecar.scope.egress.map((scope, at): EgressPart => {
    const bound = boundEgress(scope, sidecar);
    const part = { sidecar: { ...sidecar, index: scope.index }, routes: routes[at] ?? [] };
    return { ...part, ...(bound !== undefined && { bound }) };
  });
}

/**
 * Of each listener.
 *
 * @param routesOf those of a view, shared by all who have the same
 */
export function egressRoutes(
  sidecar: Sidecar,
  caller: Caller,
  routesOf: (index: Sidecar['index']) => readonly RouteConfiguration[],
): readonly (readonly RouteConfiguration[])[] {
  const { egress } = sidecar.scope;
  const own = new Set(egress.flatMap(({ listener }) => listener?.port?.number ?? []));
  return egress.map((scope) => {
    const bound = boundEgress(scope, sidecar);
    if (bound !== undefined && takesEveryPort(scope.listener))
      return [everyPortRoutes(bound.name, caller, scope.index)];
    const all = routesOf(scope.index);
    const routes = all.filter((table) => isForListener(table, scope, own));
    // The same list is the same for whoever keeps what is made of it.
    return routes.length === all.length ? all : routes;
  });
}

/** Hosts that only a VirtualService knows bring a port with them that may be another listener's. */
function isForListener(
  { name }: RouteConfiguration,
  { listener }: EgressScope,
  taken: ReadonlySet<number>,
): boolean {
  const port = Number(name);
  if (Number.isNaN(port)) return true;
  return listener?.port === undefined ? !taken.has(port) : listener.port.number === port;
}

/** Where nothing is captured, the workload's own address stands for those of its loopback. */
function boundEgress({ listener }: EgressScope, { captured, node }: Sidecar): BoundEgress | undefined {
  const { port, bind, captureMode } = listener ?? {};
  if (port === undefined) return undefined;
  if (bind?.startsWith('unix://')) return { address: bind.slice('unix://'.length), port, name: bind };
  const hasSocket = captureMode === 'NONE' || takesEveryPort(listener) || (!captured && bind !== undefined);
  if (!hasSocket) return undefined;
  const isLocal = bind === undefined || ['127.0.0.1', '::1', '0.0.0.0', '::'].includes(bind);
  return {
    address: isLocal && !captured ? node.address : (bind ?? '127.0.0.1'),
    port,
    name: takesEveryPort(listener) ? `${httpProxyRoutes}|${port.number}` : String(port.number),
  };
}

/** What is sent to a socket of the sidecar; undefined where there is nothing that could be sent to. */
export function boundEgressListener(part: EgressPart): Listener | undefined {
  const { sidecar, bound } = part;
  if (bound === undefined) return undefined;
  const filters = egressFilters(bound, sidecar);
  if (filters === undefined) return undefined;
  if (bound.port.number > 0)
    return boundListener('outbound', bound.address, bound.port.number, { filterChains: [{ filters }] });
  return create(ListenerSchema, {
    name: bound.name,
    address: pipeAddress(bound.address),
    trafficDirection: TrafficDirection.OUTBOUND,
    filterChains: [{ filters }],
  });
}

function egressFilters({ port, name }: BoundEgress, sidecar: Sidecar): Filter[] | undefined {
  const isProxy = port.protocol === 'HTTP_PROXY';
  if (!isProxy && carriedAs(port) === 'TCP') return opaqueFilters(port, sidecar);
  const manager = connectionManager({
    ...outboundTraits(sidecar),
    statPrefix: `outbound_${name}`,
    routes: name,
    takesConnect: isProxy,
  });
  return [manager];
}

/** What nothing is said of is HTTP where hosts tell where it goes. */
function carriedAs({ number, name, protocol }: SidecarPort): 'HTTP' | 'TCP' {
  const said = portProtocol({
    port: number,
    ...(name !== undefined && { name }),
    ...(protocol !== undefined && protocol !== '' && { appProtocol: protocol.toLowerCase() }),
  });
  return said.carriedAs === 'TCP' ? 'TCP' : 'HTTP';
}

/** Bytes name no host: there is one service only that they can be for. */
function opaqueFilters(port: SidecarPort, sidecar: Sidecar): Filter[] | undefined {
  const { index, node, problems } = sidecar;
  const hosts = [...index.services.values()].flatMap((service) =>
    meshPorts(service).map((own) => ({ host: serviceHost(service), port: own.port })),
  );
  const [first, ...more] = hosts;
  const what = `egress listener ${port.name ?? port.number}`;
  const tell = (message: string): void =>
    void problems.push({ level: 'warning', message, resource: node.id });
  if (first === undefined) {
    tell(`${what}: no service of its hosts has port ${port.number}, so it is not opened`);
    return undefined;
  }
  if (more.length > 0) tell(`${what}: all that is sent to it goes to ${first.host}, the first of its hosts`);
  return opaqueTo(outboundClusterName(first.port, '', first.host), sidecar);
}
