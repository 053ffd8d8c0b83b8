/** Servers of Gateways at one address -> the filter chains of its listener, and the routes those name. */
import type { Problem } from '#core/problem.ts';
import { carriedBy, takesRequests } from '#model/gateway.ts';
import { type ServerTls, terminatesTls } from '#model/gateway-tls.ts';
import { keyOf } from '#model/kinds.ts';
import type { Pod } from '#model/pod.ts';
import type { GatewayTopology } from '#model/proxy-options.ts';
import type { Cluster } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { TransportSocket } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type { Filter } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import type { RouteConfiguration } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import type { Secret } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import type { ResourceIndex } from '../store/resource-index.ts';
import { carryingChains, passingChains } from './gateway-connections.ts';
import { gatewayRoutes } from './gateway-routes.ts';
import { serverSecrets } from './gateway-secrets.ts';
import { type BoundServer, type GatewayAddress, serverNamesOf } from './gateway-servers.ts';
import { gatewayTls } from './gateway-tls.ts';
import { connectionManager } from './http-connection-manager.ts';
import type { FilterChainInit, FilterChainMatchInit } from './listener.ts';
import type { ProxyNode } from './node.ts';
import { isAutomatic, passedServerNames } from './sni-passthrough.ts';
import { tcpFilters } from './telemetry.ts';
import { type Workload, workloadOf } from './workload.ts';

export interface Gatekeeper {
  readonly pod: Pod;
  readonly node: ProxyNode;
  readonly index: ResourceIndex;
  /** By which services are reached. */
  readonly clusters: readonly Cluster[];
  /** What stands in front of it. */
  readonly topology: GatewayTopology;
  readonly problems: Problem[];
}

/** What chains of a listener need besides it. */
export interface GatewayChains {
  readonly chains: readonly FilterChainInit[];
  readonly routes: readonly RouteConfiguration[];
  readonly secrets: readonly Secret[];
}

const unencrypted: FilterChainMatchInit = { transportProtocol: 'raw_buffer' };
const nothing: GatewayChains = { chains: [], routes: [], secrets: [] };

export function gatewayChains(address: GatewayAddress, keeper: Gatekeeper): GatewayChains {
  const parts = [
    plainChains(address, keeper),
    ...address.encrypted.map((bound) => encryptedChains(bound, address, keeper)),
  ];
  return {
    chains: withoutOverlap(parts.flatMap(({ chains }) => chains)),
    routes: parts.flatMap(({ routes }) => routes),
    secrets: parts.flatMap(({ secrets }) => secrets),
  };
}

/** What two chains ask for is the first one's: a proxy would refuse the listener. */
function withoutOverlap(chains: readonly FilterChainInit[]): readonly FilterChainInit[] {
  const taken = new Set<string>();
  return chains.flatMap((chain) => {
    const { serverNames = [], ...rest } = chain.filterChainMatch ?? {};
    const free = (serverNames.length === 0 ? [''] : serverNames).filter((name) => {
      const key = JSON.stringify([name, rest]);
      return !taken.has(key) && taken.add(key);
    });
    if (free.length === 0) return [];
    if (serverNames.length === 0) return [chain];
    return [{ ...chain, filterChainMatch: { ...rest, serverNames: free } }];
  });
}

function plainChains({ port, bind, plain, encrypted }: GatewayAddress, keeper: Gatekeeper): GatewayChains {
  const [first] = plain;
  if (first === undefined) return nothing;
  const match = encrypted.length > 0 && { filterChainMatch: unencrypted };
  if (!carriedBy(first.server.port.protocol).http) {
    const chains = carryingChains(first, keeper, encrypted.length > 0 ? unencrypted : {});
    if (chains.length === 0) tellIdle(first, 'tcp', keeper);
    return { ...nothing, chains };
  }
  // Istio's name.
  const name = bind === undefined ? `http.${port}` : `http.${port}.${bind}`;
  const grpcWeb = plain.some(({ server }) => server.port.protocol === 'GRPC-WEB');
  return {
    chains: [{ filters: [requestFilter(name, port, grpcWeb, keeper)], ...match }],
    routes: [gatewayRoutes({ name, port, servers: plain, besides: [] }, keeper.node, keeper.index)],
    secrets: [],
  };
}

function encryptedChains(bound: BoundServer, address: GatewayAddress, keeper: Gatekeeper): GatewayChains {
  const { tls } = bound.server;
  if (tls === undefined) return nothing;
  if (isAutomatic(bound)) {
    const chains = passedServerNames(bound, keeper.clusters).map((name) => ({
      filterChainMatch: tlsMatch([name]),
      filters: [...tcpFilters(name, 'gateway', keeper.node.client, selfOf(keeper), keeper.index.settings)],
    }));
    return { ...nothing, chains };
  }
  if (!terminatesTls(tls)) {
    const chains = passingChains(bound, keeper);
    if (chains.length === 0) tellIdle(bound, 'tls', keeper);
    return { ...nothing, chains };
  }
  return terminated(bound, tls, address, keeper);
}

function terminated(
  bound: BoundServer,
  tls: ServerTls,
  address: GatewayAddress,
  keeper: Gatekeeper,
): GatewayChains {
  const { pod, node, index } = keeper;
  const carriedAs = takesRequests(bound.server) ? 'HTTP' : 'TCP';
  const found =
    tls.mode === 'ISTIO_MUTUAL' ? undefined : serverSecrets(tls, pod.metadata.namespace ?? '', index);
  if (found?.ok === false) {
    tellClosed(bound, found.reason, keeper);
    return nothing;
  }
  const secrets = found?.value;
  const { settings } = index;
  const transportSocket = gatewayTls({ tls, carriedAs, secrets, client: node.client, settings });
  const carried = { secrets: secrets?.messages ?? [] };
  if (carriedAs === 'HTTP') return { ...requestChain(bound, transportSocket, address, keeper), ...carried };
  const chains = carryingChains(bound, keeper, tlsMatch(serverNamesOf(bound)), transportSocket);
  if (chains.length === 0) tellIdle(bound, 'tcp', keeper);
  return { ...nothing, ...carried, chains };
}

function requestChain(
  bound: BoundServer,
  transportSocket: TransportSocket,
  { port, encrypted }: GatewayAddress,
  keeper: Gatekeeper,
): GatewayChains {
  const { metadata } = bound.gateway;
  // Istio's name: routes of one certificate are not those of another.
  const name = `https.${port}.${bound.server.port.name}.${metadata.name}.${metadata.namespace}`;
  const besides = encrypted.filter((other) => other !== bound && takesRequests(other.server));
  return {
    chains: [
      {
        name,
        filterChainMatch: tlsMatch(serverNamesOf(bound)),
        filters: [requestFilter(name, port, false, keeper)],
        transportSocket,
      },
    ],
    routes: [gatewayRoutes({ name, port, servers: [bound], besides }, keeper.node, keeper.index)],
    secrets: [],
  };
}

/** @param serverNames `*` is any, or none */
function tlsMatch(serverNames: readonly string[]): FilterChainMatchInit {
  const named = serverNames.includes('*') ? [] : [...serverNames];
  return { transportProtocol: 'tls', serverNames: named };
}

function requestFilter(routes: string, port: number, grpcWeb: boolean, keeper: Gatekeeper): Filter {
  return connectionManager({
    side: 'gateway',
    statPrefix: `outbound_0.0.0.0_${port}`,
    routes,
    captured: false,
    settings: keeper.index.settings,
    client: keeper.node.client,
    self: selfOf(keeper),
    grpcWeb,
    topology: keeper.topology,
  });
}

function selfOf({ pod, node, index }: Gatekeeper): Workload {
  return workloadOf(pod, index, node.clusterId);
}

/** Its hosts stay closed, and the others of the port open. */
function tellClosed(bound: BoundServer, reason: string, keeper: Gatekeeper): void {
  const { hosts, port } = bound.server;
  const names = hosts.map(({ host }) => host).join(', ');
  tell(bound, 'tls', `${reason}; until then nothing is served for ${names} on port ${port.number}`, keeper);
}

/** Connections that no route takes end. */
function tellIdle(bound: BoundServer, routes: 'tls' | 'tcp', keeper: Gatekeeper): void {
  const { port } = bound.server;
  const message = `no VirtualService of this gateway has ${routes} routes for port ${port.number}, so it takes no connections`;
  tell(bound, 'port', message, keeper);
}

function tell(
  { gateway, server }: BoundServer,
  field: 'tls' | 'port',
  message: string,
  { problems }: Gatekeeper,
): void {
  const at = gateway.spec.servers.indexOf(server);
  problems.push({
    level: 'warning',
    message,
    path: `spec.servers[${at}].${field}`,
    at: gateway.origin.positionOf(['spec', 'servers', at, field]) ?? gateway.origin.start,
    resource: keyOf(gateway),
  });
}
