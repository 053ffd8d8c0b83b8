/** RouteConfigurations of sidecars: one for each HTTP port of the mesh, and one for the HTTP proxy. */
import { create } from '@bufbuild/protobuf';
import { type VirtualHost, VirtualHostSchema } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import {
  type RouteConfiguration,
  RouteConfigurationSchema,
} from '#xds/gen/envoy/config/route/v3/route_pb.js';
import type { ResourceIndex } from '../store/resource-index.ts';
import { tunnelOf } from './host-policy.ts';
import type { Caller } from './http-route.ts';
import { kept } from './kept.ts';
import type { Init } from './message.ts';
import { hostRoutesName, outboundClusterName, passthroughCluster, reentryClusterName } from './names.ts';
import { opaqueRules } from './opaque-outbound.ts';
import { peerHeaderGuard } from './peer-headers.ts';
import { defaultAction, plainAction, type RouteInit } from './route-action.ts';
import { matchConnect, matchEverything } from './route-match.ts';
import {
  domainsOf,
  isTakenAnywhere,
  portsCarriedAs,
  type RoutedHost,
  routedHosts,
  serviceHosts,
  type VirtualHostInit,
} from './virtual-host.ts';

/** One that is made, or is to be. */
type AnyVirtualHost = VirtualHostInit | VirtualHost;

/** As much of them as listeners are made of. */
export type NamedRoutes = Pick<RouteConfiguration, 'name'>;

export type RouteConfigurationInit = Init<typeof RouteConfigurationSchema>;

/** Name of the routes of the HTTP proxy listener (Istio). */
export const httpProxyRoutes = 'http_proxy';

/** Istio's `block_all` answers so. */
const badGateway = 502;

/** All that a sidecar routes by: each port's table, and the HTTP proxy's where there is one. */
export function sidecarRoutes(caller: Caller, index: ResourceIndex): readonly RouteConfiguration[] {
  const http = routedHosts(caller, index);
  const detected = serviceHosts(caller, index, 'AUTO');
  const guard = peerHeaderGuard(caller.client);
  const tables =
    caller.captured === true
      ? portTables(http, detected, takenAnywhere(index))
      : [
          ...portTables(http, detected, new Set()),
          proxyTable(http, detected, serviceHosts(caller, index, 'TCP'), (host) =>
            opaqueHost(host, caller, index),
          ),
        ];
  return [
    ...tables.map(({ name, virtualHosts }) =>
      kept(caller, `table ${name}`, virtualHosts, index, (of) =>
        routeConfiguration(name, [...virtualHosts, elsewhere(of)], guard),
      ),
    ),
    // For connections of which is known to whom they go.
    ...detected.map((host) =>
      routeConfiguration(
        hostRoutesName(host.port, host.host),
        [madeOnce(host, 'alone', () => virtualHost(host, ['*'], host.routes))],
        guard,
      ),
    ),
  ];
}

/** Whether routes that are not of HTTP say where connections to it go. */
function isSteered({ host, port: number }: RoutedHost, caller: Caller, index: ResourceIndex): boolean {
  const service = index.services.get(host);
  const port = service?.spec.ports.find(({ port }) => port === number);
  if (service === undefined || port === undefined) return false;
  return opaqueRules(service, port, caller, index).length > 0;
}

/** Ports on which requests may turn out that only their host says for whom they are. */
function takenAnywhere(index: ResourceIndex): ReadonlySet<number> {
  const services = [...index.services.values()].filter((service) => isTakenAnywhere(service, index));
  return new Set(services.flatMap((service) => portsCarriedAs(service, 'AUTO').map(({ port }) => port)));
}

/** Tables of one name are one: each host is where it came first. */
export function joinTables(all: readonly (readonly RouteConfiguration[])[]): readonly RouteConfiguration[] {
  const [first = [], ...more] = all;
  if (more.length === 0) return first;
  return [...Map.groupBy(all.flat(), ({ name }) => name).values()].map((tables) => {
    const [table] = tables;
    if (tables.length === 1) return table!;
    const hosts = tables.flatMap(({ virtualHosts }) => virtualHosts);
    const virtualHosts = [...new Map(hosts.toReversed().map((host) => [host.name, host])).values()];
    return { ...table!, virtualHosts: virtualHosts.toReversed() };
  });
}

/** For a listener to which hosts of every port are named, with the port or by CONNECT. */
export function everyPortRoutes(name: string, caller: Caller, index: ResourceIndex): RouteConfiguration {
  const hosts = [
    ...routedHosts(caller, index),
    ...serviceHosts(caller, index, 'AUTO'),
    ...serviceHosts(caller, index, 'TCP'),
  ];
  const virtualHosts = hosts.map((host) => {
    const cluster = outboundClusterName(host.port, '', host.host);
    return virtualHost(host, domainsOf(host, false), [connectRoute(cluster), ...host.routes]);
  });
  return routeConfiguration(name, [...virtualHosts, elsewhere(index)], peerHeaderGuard(caller.client));
}

interface RouteTable {
  readonly name: string;
  readonly virtualHosts: readonly VirtualHost[];
}

/** By port, for connections that were made to it: in order of ports. @param also ports without HTTP of their own */
function portTables(
  http: readonly RoutedHost[],
  detected: readonly RoutedHost[],
  also: ReadonlySet<number>,
): readonly RouteTable[] {
  const ports = new Set([...http.map(({ port }) => port), ...also]);
  const hosts = [...http, ...detected].filter(({ port }) => ports.has(port));
  const byPort = [...Map.groupBy(hosts, ({ port }) => port)].sort(([a], [b]) => a - b);
  return byPort.map(([port, ofPort]) => ({
    name: String(port),
    virtualHosts: ofPort.map((host) =>
      madeOnce(host, 'port', () => virtualHost(host, domainsOf(host, true), host.routes)),
    ),
  }));
}

/** For requests that name host and port themselves, absolute or by CONNECT. */
function proxyTable(
  http: readonly RoutedHost[],
  detected: readonly RoutedHost[],
  tcp: readonly RoutedHost[],
  opaqueTo: (host: RoutedHost) => VirtualHost,
): RouteTable {
  const reentry = (host: RoutedHost, cluster: string): VirtualHost =>
    madeOnce(host, cluster, () =>
      virtualHost(host, domainsOf(host, false), [connectRoute(cluster), ...host.routes]),
    );
  const reentering = [
    ...http.map((host) => reentry(host, reentryClusterName(host.port))),
    ...detected.map((host) => reentry(host, reentryClusterName(host.port, host.host))),
  ];
  return { name: httpProxyRoutes, virtualHosts: [...reentering, ...tcp.map(opaqueTo)] };
}

export function routeConfiguration(
  name: string,
  virtualHosts: readonly AnyVirtualHost[],
  rest: RouteConfigurationInit = {},
): RouteConfiguration {
  return create(RouteConfigurationSchema, {
    name,
    virtualHosts: withoutRepeatedDomains(virtualHosts),
    // A route may name a cluster that is not there: then it answers 503.
    validateClusters: false,
    ...(hasLongReply(virtualHosts) && { maxDirectResponseBodySizeBytes: longestReplyBytes }),
    ...rest,
  });
}

/** What Envoy allows a direct response unless told otherwise, and what Istio tells it. */
const usualReplyBytes = 4096;
const longestReplyBytes = 1024 * 1024;

function hasLongReply(virtualHosts: readonly AnyVirtualHost[]): boolean {
  return virtualHosts.some(({ routes = [] }) =>
    routes.some(({ action }) => {
      const body = action?.case === 'directResponse' ? action.value.body?.specifier : undefined;
      if (body?.case === 'inlineBytes') return body.value.length > usualReplyBytes;
      // A character is at most three bytes of UTF-8 for each of its UTF-16 units.
      return body?.case === 'inlineString' && body.value.length * 3 > usualReplyBytes;
    }),
  );
}

export function virtualHost(
  { host, port }: RoutedHost,
  domains: string[],
  routes: RouteInit[],
): VirtualHostInit {
  return { name: `${host}:${port}`, domains, routes, includeRequestAttemptCount: true };
}

/** Two hosts may share a short name; the first has it, as a domain must be in one virtual host only. */
function withoutRepeatedDomains(virtualHosts: readonly AnyVirtualHost[]): AnyVirtualHost[] {
  const taken = new Set<string>();
  return virtualHosts.flatMap((host) => {
    const all = host.domains ?? [];
    const domains = all.filter((domain) => !taken.has(domain));
    for (const domain of domains) taken.add(domain);
    if (domains.length === all.length) return domains.length === 0 ? [] : [host];
    const { $typeName: _, ...fields } = host;
    return domains.length === 0 ? [] : [{ ...fields, domains }];
  });
}

const messages = new WeakMap<RoutedHost, Map<string, VirtualHost>>();

/** The same message for as long as the host is the same. @param as what of it is made */
function madeOnce(host: RoutedHost, as: string, make: () => VirtualHostInit): VirtualHost {
  const made = messages.get(host) ?? new Map<string, VirtualHost>();
  messages.set(host, made);
  const known = made.get(as) ?? create(VirtualHostSchema, make());
  made.set(as, known);
  return known;
}

function opaqueHost(host: RoutedHost, caller: Caller, index: ResourceIndex): VirtualHost {
  return kept(caller, `opaque ${host.host}:${host.port}`, [host], index, (watched) =>
    create(VirtualHostSchema, virtualHost(host, domainsOf(host, false), opaqueRoutes(host, caller, watched))),
  );
}

/** A connection that is not looked into; a plain request to such a port goes there as HTTP. */
function opaqueRoutes(host: RoutedHost, caller: Caller, index: ResourceIndex): RouteInit[] {
  const steered = isSteered(host, caller, index);
  const cluster = steered
    ? reentryClusterName(host.port, host.host)
    : outboundClusterName(host.port, '', host.host);
  const target = steered ? undefined : tunnelOf(cluster, caller, index);
  return [
    target === undefined ? connectRoute(cluster) : tunnelRoute(cluster, target),
    { name: 'default', match: matchEverything, action: defaultAction(cluster, index.settings) },
  ];
}

function connectRoute(cluster: string): RouteInit {
  const { value } = plainAction(cluster);
  const upgradeConfigs = [{ upgradeType: 'CONNECT', connectConfig: {} }];
  return {
    name: 'connect',
    match: matchConnect,
    action: { case: 'route', value: { ...value, upgradeConfigs } },
  };
}

/** The host is asked to carry the connection on, as the application has asked us. */
function tunnelRoute(cluster: string, target: string): RouteInit {
  const value = {
    ...plainAction(cluster).value,
    upgradeConfigs: [{ upgradeType: 'CONNECT' }],
    hostRewriteSpecifier: { case: 'hostRewriteLiteral' as const, value: target },
  };
  return { name: 'tunnel', match: matchConnect, action: { case: 'route', value } };
}

/** Hosts that the mesh does not know. */
function elsewhere(index: ResourceIndex): VirtualHostInit {
  const { mode, egressCluster = passthroughCluster } = index.settings.outboundTrafficPolicy;
  if (mode === 'REGISTRY_ONLY') {
    const action: RouteInit['action'] = { case: 'directResponse', value: { status: badGateway } };
    const routes = [matchConnect, matchEverything].map((match) => ({ name: 'block_all', match, action }));
    return { name: 'block_all', domains: ['*'], routes };
  }
  const forward: RouteInit = {
    name: 'allow_any',
    match: matchEverything,
    action: plainAction(egressCluster),
  };
  return { name: 'allow_any', domains: ['*'], routes: [connectRoute(egressCluster), forward] };
}
