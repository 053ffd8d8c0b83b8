/** VirtualServices bound to servers of Gateways -> the routes of those servers. */
import type { GatewayHost } from '#model/gateway.ts';
import { coversHost } from '#model/host-name.ts';
import { gatewayNames, type VirtualService } from '#model/virtual-service.ts';
import { VirtualHost_TlsRequirementType } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import type { RouteConfiguration } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import type { ResourceIndex } from '../store/resource-index.ts';
import { type BoundServer, gatewayName } from './gateway-servers.ts';
import { type Caller, joinRoutes, translateHttpRoutes } from './http-route.ts';
import { aliasesOf } from './names.ts';
import type { ProxyNode } from './node.ts';
import { peerHeaderGuard } from './peer-headers.ts';
import type { RouteInit } from './route-action.ts';
import { matchEverything } from './route-match.ts';
import { routeConfiguration, virtualHost } from './route-table.ts';
import { fullHosts, type VirtualHostInit } from './virtual-host.ts';

/** Servers whose requests are routed alike. */
export interface RoutedServers {
  /** Of the RouteConfiguration. */
  readonly name: string;
  readonly port: number;
  readonly servers: readonly BoundServer[];
  /** Servers of other names on the same port, of which a client may have a connection to these (RFC 9113, section 9.1.1). */
  readonly besides: readonly BoundServer[];
}

/** The hosts of Gateways, by `namespace/name`. */
export type HostsByGateway = ReadonlyMap<string, readonly GatewayHost[]>;

/** What a client is told that asks here for a host which has a certificate of its own. */
const misdirected = 421;

/** Several VirtualServices of one host are joined, in order of their names. */
export function gatewayRoutes(
  { name, port, servers, besides }: RoutedServers,
  node: ProxyNode,
  index: ResourceIndex,
): RouteConfiguration {
  const hosts = hostsByGateway(servers);
  const caller: Caller = {
    gateways: new Set(hosts.keys()),
    namespace: node.namespace,
    labels: index.pod(node.namespace, node.podName)?.metadata.labels ?? node.labels,
    client: node.client,
  };
  const routesByHost = new Map<string, RouteInit[][]>();
  for (const virtualService of index.virtualServices) {
    const routes = translateHttpRoutes(virtualService, port, caller, index);
    for (const host of servedHosts(virtualService, httpGateways(virtualService), hosts, index)) {
      if (isOfAnother(host, servers, besides)) continue;
      routesByHost.set(host, [...(routesByHost.get(host) ?? []), routes]);
    }
  }
  const redirected = servers
    .filter(({ server }) => server.tls?.httpsRedirect)
    .flatMap((server) => server.hosts.map(({ host }) => host));
  for (const host of redirected) if (!routesByHost.has(host)) routesByHost.set(host, []);
  const own = [...routesByHost].map(([host, parts]): VirtualHostInit => {
    const routes = joinRoutes(parts, caller, index);
    const aliases = aliasesOf(host, index.services.get(host), node.namespace);
    const requireTls = redirected.some((wide) => coversHost(wide, host));
    return {
      ...virtualHost({ host, port, aliases, routes }, [...aliases], routes),
      ...(requireTls && { requireTls: VirtualHost_TlsRequirementType.ALL }),
    };
  });
  // The port by which a caller came in from outside says nothing about the host.
  return routeConfiguration(name, [...own, ...elsewhere(servers, besides, port)], {
    ignorePortInHostMatching: true,
    ...peerHeaderGuard(node.client),
  });
}

export function hostsByGateway(servers: readonly BoundServer[]): HostsByGateway {
  const byGateway = Map.groupBy(servers, ({ gateway }) => gatewayName(gateway));
  return new Map([...byGateway].map(([name, bound]) => [name, bound.flatMap(({ hosts }) => hosts)]));
}

/** Hosts of the VirtualService that one of its Gateways serves: the narrower of the two. @param names of its gateways */
export function servedHosts(
  virtualService: VirtualService,
  names: readonly string[],
  hosts: HostsByGateway,
  index: ResourceIndex,
): readonly string[] {
  const { namespace = '' } = virtualService.metadata;
  const full = new Set(gatewayNames(names, namespace));
  const served = [...full].flatMap((name) => hosts.get(name) ?? []);
  const allowed = served.filter((host) => host.namespace === undefined || host.namespace === namespace);
  const found = fullHosts(virtualService, index).flatMap((own) =>
    allowed.flatMap(({ host }) => {
      const full = index.fullName(host, namespace);
      if (coversHost(full, own) || coversHost(host, own)) return [own];
      return coversHost(own, full) ? [host] : [];
    }),
  );
  return [...new Set(found)];
}

/** Whether it has a certificate of its own, and perhaps asks for one: then it is not served with this one. */
function isOfAnother(
  host: string,
  servers: readonly BoundServer[],
  besides: readonly BoundServer[],
): boolean {
  const nearest = (some: readonly BoundServer[]): number =>
    Math.max(
      -1,
      ...some.flatMap(({ hosts }) =>
        hosts.flatMap((one) => (coversHost(one.host.toLowerCase(), host) ? [precision(one.host)] : [])),
      ),
    );
  return nearest(besides) > nearest(servers);
}

/** Names before wildcards, and of those the longer one. */
function precision(host: string): number {
  return host.startsWith('*') ? host.length : 1000 + host.length;
}

function httpGateways({ spec }: VirtualService): readonly string[] {
  return [
    ...spec.gateways,
    ...spec.http.flatMap(({ match }) => match.flatMap(({ gateways = [] }) => gateways)),
  ];
}

/** Hosts that are served with other certificates. Those of these servers that have no routes are not among them. */
function elsewhere(
  servers: readonly BoundServer[],
  besides: readonly BoundServer[],
  port: number,
): VirtualHostInit[] {
  if (besides.length === 0) return [];
  const hostsOf = (some: readonly BoundServer[]): string[] =>
    some.flatMap(({ hosts }) => hosts.map(({ host }) => host.toLowerCase()));
  const unrouted = hostsOf(servers).map((host) =>
    virtualHost({ host, port, aliases: [], routes: [] }, [host], []),
  );
  const routes: RouteInit[] = [
    {
      name: 'misdirected',
      match: matchEverything,
      action: { case: 'directResponse', value: { status: misdirected } },
    },
  ];
  const others = virtualHost(
    { host: 'misdirected', port, aliases: [], routes },
    [...new Set(hostsOf(besides))],
    routes,
  );
  return [...unrouted, others];
}
