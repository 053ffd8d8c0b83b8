/**
 * gRPC without a proxy: a listener, routes and clusters for each port of each service, and a listener
 * for the own server. What its clients refuse is left out (gRFC A27, A29, A36).
 */

import { create } from '@bufbuild/protobuf';
import { hostPort } from '#core/ip-address.ts';
import type { Problem } from '#core/problem.ts';
import type { Pod } from '#model/pod.ts';
import type { FilterSchema } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import { type Listener, ListenerSchema } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import type { RouteConfiguration } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import { HttpConnectionManagerSchema } from '#xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { ResourceIndex } from '../store/resource-index.ts';
import { grpcLosses } from './grpc-loss.ts';
import { grpcVirtualHosts } from './grpc-route.ts';
import { grpcDownstreamTls } from './grpc-tls-context.ts';
import { routerFilter } from './http-connection-manager.ts';
import type { Caller } from './http-route.ts';
import { inboundPorts } from './inbound-ports.ts';
import { fromAds, type Init, pack, socketAddress } from './message.ts';
import { serverTlsMode } from './mutual-tls.ts';
import { inboundClusterName, outboundClusterName } from './names.ts';
import type { ProxyNode } from './node.ts';
import { routedFilters } from './route-filters.ts';
import { matchEverything } from './route-match.ts';
import { routeConfiguration } from './route-table.ts';
import { type RoutedHost, serviceHosts } from './virtual-host.ts';

/** Prefix of the name by which a gRPC server asks for its listener; in its bootstrap. */
const serverListenerPrefix = 'xds.istio.io/grpc/lds/inbound/';

export interface GrpcTranslation {
  readonly listeners: readonly Listener[];
  readonly routes: readonly RouteConfiguration[];
  /** What of the configuration these clients leave undone. */
  readonly problems: readonly Problem[];
}

export function translateGrpcClient(caller: Caller, index: ResourceIndex): GrpcTranslation {
  const hosts = (['TCP', 'AUTO', 'HTTP'] as const).flatMap((as) => serviceHosts(caller, index, as));
  return {
    // A listener for each spelling of the host, as `xds:///` asks for exactly what was written.
    listeners: hosts.flatMap((host) =>
      host.aliases.map((alias) => clientListener(`${alias}:${host.port}`, host)),
    ),
    routes: hosts.map((host) => routeConfiguration(routesName(host), grpcVirtualHosts(host))),
    problems: grpcLosses(caller, index),
  };
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
