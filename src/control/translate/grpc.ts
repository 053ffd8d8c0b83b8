/**
 * gRPC without a proxy: a listener, routes and clusters for each port of each service, and a listener
 * for the own server. What its clients refuse is left out (gRFC A27, A29, A36).
 */

import { create } from '@bufbuild/protobuf';
import { hostPort } from '#core/ip-address.ts';
import type { Problem } from '#core/problem.ts';
import type { Pod } from '#model/pod.ts';
import { portProtocol } from '#model/port-protocol.ts';
import type { FilterSchema } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import { type Listener, ListenerSchema } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import type { RouteConfiguration } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import { HttpConnectionManagerSchema } from '#xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { ResourceIndex } from '../store/resource-index.ts';
import { clustersOf, type ForwardingAction } from './forwarding-action.ts';
import { grpcLosses } from './grpc-loss.ts';
import { grpcVirtualHosts } from './grpc-route.ts';
import { grpcDownstreamTls } from './grpc-tls-context.ts';
import { withHashPolicy } from './hash-policy.ts';
import { routerFilter } from './http-connection-manager.ts';
import type { Caller } from './http-route.ts';
import { inboundPorts } from './inbound-ports.ts';
import { fromAds, type Init, pack, socketAddress } from './message.ts';
import { serverTlsMode } from './mutual-tls.ts';
import { inboundClusterName, outboundClusterName } from './names.ts';
import type { ProxyNode } from './node.ts';
import { opaqueRules } from './opaque-outbound.ts';
import { plainAction, type RouteInit } from './route-action.ts';
import { routedFilters } from './route-filters.ts';
import { matchEverything } from './route-match.ts';
import { routeConfiguration } from './route-table.ts';
import { type RoutedHost, routedHosts, serviceHosts } from './virtual-host.ts';

/** Prefix of the name by which a gRPC server asks for its listener; in its bootstrap. */
const serverListenerPrefix = 'xds.istio.io/grpc/lds/inbound/';

export interface GrpcTranslation {
  readonly listeners: readonly Listener[];
  readonly routes: readonly RouteConfiguration[];
  /** Names of all that routes lead to. */
  readonly clusters: readonly string[];
  /** What of the configuration these clients leave undone. */
  readonly problems: readonly Problem[];
}

export function translateGrpcClient(caller: Caller, index: ResourceIndex): GrpcTranslation {
  const hosts = [
    ...serviceHosts(caller, index, 'TCP').map((host) => steeredHost(host, caller, index)),
    ...serviceHosts(caller, index, 'AUTO'),
    ...routedHosts(caller, index),
  ].filter(({ host }) => !host.startsWith('*'));
  // A listener for each spelling of the host, as `xds:///` asks for exactly what was written; the first has it.
  const listeners = new Map<string, Listener>();
  for (const host of hosts)
    for (const alias of host.aliases) {
      const name = `${alias}:${host.port}`;
      if (!listeners.has(name)) listeners.set(name, clientListener(name, host));
    }
  const routes = hosts.map((host) =>
    routeConfiguration(routesName(host), grpcVirtualHosts(host, knownCluster(host, index))),
  );
  return {
    listeners: [...listeners.values()],
    routes,
    clusters: [...new Set(routes.flatMap(clustersOfTable))],
    problems: grpcLosses(caller, index),
  };
}

/** Calls to a port that is not of HTTP are connections to proxies: `tcp` routes say where they go. */
function steeredHost(routed: RoutedHost, caller: Caller, index: ResourceIndex): RoutedHost {
  const service = index.services.get(routed.host);
  const port = service?.spec.ports.find((one) => one.port === routed.port);
  if (service === undefined || port === undefined || portProtocol(port).tls) return routed;
  const [rule] = opaqueRules(service, port, caller, index);
  if (rule === undefined) return routed;
  const clusters = rule.target.clusters.map(({ name, weight }) => ({ name, weight }));
  const [only] = clusters;
  const { value } = plainAction(only!.name);
  const clusterSpecifier = { case: 'weightedClusters' as const, value: { clusters } };
  const action: RouteInit['action'] = {
    case: 'route',
    value: clusters.length === 1 ? value : { ...value, clusterSpecifier },
  };
  return { ...routed, routes: [withHashPolicy({ match: matchEverything, action }, caller, index)] };
}

function clustersOfTable({ virtualHosts }: RouteConfiguration): readonly string[] {
  return virtualHosts.flatMap(({ routes }) =>
    routes.flatMap(({ action }) =>
      action.case === 'route' ? clustersOf(action.value as ForwardingAction) : [],
    ),
  );
}

function knownCluster({ host, port, routes }: RoutedHost, index: ResourceIndex): string {
  const own = outboundClusterName(port, '', host);
  if (index.services.has(host)) return own;
  const named = routes.flatMap(({ action }) =>
    action?.case === 'route' ? clustersOf(action.value as ForwardingAction) : [],
  );
  return named[0] ?? own;
}

function routesName({ port, host }: RoutedHost): string {
  return outboundClusterName(port, '', host);
}

function clientListener(name: string, host: RoutedHost): Listener {
  const apiListener = pack(HttpConnectionManagerSchema, {
    routeSpecifier: { case: 'rds', value: { configSource: fromAds, routeConfigName: routesName(host) } },
    httpFilters: [...routedFilters('grpc'), routerFilter],
  });
  return create(ListenerSchema, { name, apiListener: { apiListener } });
}

/** One for each port: the server asks for the one it binds. */
export function grpcServerListeners(pod: Pod, node: ProxyNode, index: ResourceIndex): readonly Listener[] {
  // A server asks for the listener of the address it was told: its own, or every one (gRFC A36).
  return inboundPorts(index.instanceOf(pod), index).flatMap(({ port }) => {
    const { namespace = '', labels } = pod.metadata;
    // A gRPC server is one or the other: what may be encrypted is.
    const isPlain = serverTlsMode(index, namespace, labels, port) === 'DISABLE';
    const filters = [serverManager(port)];
    return [node.address, '0.0.0.0', '::'].map((host) =>
      create(ListenerSchema, {
        name: `${serverListenerPrefix}${hostPort(host, port)}`,
        address: socketAddress(host, port),
        filterChains: [isPlain ? { filters } : { filters, transportSocket: grpcDownstreamTls() }],
      }),
    );
  });
}

function serverManager(port: number): Init<typeof FilterSchema> {
  const route = {
    match: matchEverything,
    action: { case: 'nonForwardingAction' as const, value: {} },
  };
  const name = inboundClusterName(port);
  return {
    name: 'envoy.filters.network.http_connection_manager',
    configType: {
      case: 'typedConfig',
      value: pack(HttpConnectionManagerSchema, {
        routeSpecifier: {
          case: 'routeConfig',
          value: { name, virtualHosts: [{ name, domains: ['*'], routes: [route] }] },
        },
        httpFilters: [routerFilter],
      }),
    },
  };
}
