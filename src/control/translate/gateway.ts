/** Gateways and the VirtualServices bound to them -> listeners and routes of an edge proxy. */

import type { Problem } from '#core/problem.ts';
import type { Gateway, GatewayHost } from '#model/gateway.ts';
import { coversHost } from '#model/host-name.ts';
import { selects } from '#model/metadata.ts';
import type { Pod } from '#model/pod.ts';
import { gatewayNames, type VirtualService } from '#model/virtual-service.ts';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import type { RouteConfiguration } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import type { ResourceIndex } from '../store/resource-index.ts';
import { type BindAddress, gatewayBinds } from './annotation.ts';
import { connectionManager } from './http-connection-manager.ts';
import { type Caller, joinRoutes, translateHttpRoutes } from './http-route.ts';
import { boundListener } from './listener.ts';
import { aliasesOf } from './names.ts';
import type { ProxyNode } from './node.ts';
import { peerHeaderGuard } from './peer-headers.ts';
import type { RouteInit } from './route-action.ts';
import { routeConfiguration, virtualHost } from './route-table.ts';
import { fullHosts, type VirtualHostInit } from './virtual-host.ts';
import { workloadOf } from './workload.ts';

/** All that Gateways ask for on one port. */
interface GatewayPort {
  readonly port: number;
  /** `namespace/name` -> the hosts of its servers on this port. */
  readonly hosts: ReadonlyMap<string, readonly GatewayHost[]>;
}

export interface GatewayTranslation {
  readonly listeners: readonly Listener[];
  readonly routes: readonly RouteConfiguration[];
}

export function translateGateway(
  pod: Pod,
  node: ProxyNode,
  index: ResourceIndex,
  problems: Problem[],
): GatewayTranslation {
  const ports = gatewayPorts(pod, index);
  const binds = gatewayBinds(pod, problems);
  return {
    listeners: ports.map(({ port }) => gatewayListener(port, binds.get(port), pod, node, index)),
    routes: ports.map((port) => gatewayRoutes(port, node, index)),
  };
}

/** `http.8080`, as Istio names them. */
function routesName(port: number): string {
  return `http.${port}`;
}

function gatewayPorts(pod: Pod, index: ResourceIndex): readonly GatewayPort[] {
  const ports = new Map<number, Map<string, GatewayHost[]>>();
  for (const gateway of index.gateways) {
    if (!selects(gateway.spec.selector, pod.metadata.labels)) continue;
    for (const { port, hosts } of gateway.spec.servers) {
      const byGateway = ports.get(port.number) ?? new Map<string, GatewayHost[]>();
      const name = gatewayName(gateway);
      byGateway.set(name, [...(byGateway.get(name) ?? []), ...hosts.map((host) => ownHost(host, gateway))]);
      ports.set(port.number, byGateway);
    }
  }
  return [...ports].sort(([a], [b]) => a - b).map(([port, hosts]) => ({ port, hosts }));
}

function gatewayName({ metadata }: Gateway): string {
  return `${metadata.namespace}/${metadata.name}`;
}

/** `.` before the slash stands for the Gateway's own namespace. */
function ownHost(host: GatewayHost, { metadata }: Gateway): GatewayHost {
  return host.namespace === '.' && metadata.namespace !== undefined
    ? { ...host, namespace: metadata.namespace }
    : host;
}

function gatewayListener(
  port: number,
  bind: BindAddress | undefined,
  pod: Pod,
  node: ProxyNode,
  index: ResourceIndex,
): Listener {
  const manager = connectionManager({
    side: 'gateway',
    statPrefix: `outbound_0.0.0.0_${port}`,
    routes: routesName(port),
    captured: false,
    client: node.client,
    self: workloadOf(pod, index, node.clusterId),
  });
  const { address, port: boundPort } = bind ?? { address: node.address, port };
  return boundListener('outbound', address, boundPort, {
    name: `0.0.0.0_${port}`,
    filterChains: [{ filters: [manager] }],
  });
}

/** Several VirtualServices of one host are joined, in order of their names. */
function gatewayRoutes(
  { port, hosts }: GatewayPort,
  node: ProxyNode,
  index: ResourceIndex,
): RouteConfiguration {
  const caller: Caller = {
    gateways: new Set(hosts.keys()),
    namespace: node.namespace,
    labels: node.labels,
    client: node.client,
  };
  const routesByHost = new Map<string, RouteInit[][]>();
  for (const virtualService of index.virtualServices) {
    const routes = translateHttpRoutes(virtualService, port, caller, index);
    for (const host of servedHosts(virtualService, hosts, index)) {
      routesByHost.set(host, [...(routesByHost.get(host) ?? []), routes]);
    }
  }
  const virtualHosts = [...routesByHost].map(([host, parts]): VirtualHostInit => {
    const routes = joinRoutes(parts);
    const aliases = aliasesOf(host, index.services.get(host), node.namespace);
    return virtualHost({ host, port, aliases, routes }, [...aliases], routes);
  });
  // The port by which a caller came in from outside says nothing about the host.
  return routeConfiguration(routesName(port), virtualHosts, {
    ignorePortInHostMatching: true,
    ...peerHeaderGuard(node.client),
  });
}

/** Hosts of the VirtualService that one of its Gateways serves on the port: the narrower of the two. */
function servedHosts(
  virtualService: VirtualService,
  hosts: ReadonlyMap<string, readonly GatewayHost[]>,
  index: ResourceIndex,
): readonly string[] {
  const { namespace = '' } = virtualService.metadata;
  const routeGateways = virtualService.spec.http.flatMap(({ match }) =>
    match.flatMap(({ gateways = [] }) => gateways),
  );
  const names = new Set(gatewayNames([...virtualService.spec.gateways, ...routeGateways], namespace));
  const served = [...names].flatMap((name) => hosts.get(name) ?? []);
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
