/** Where patches apply: what EnvoyFilters match by, compared with what was made (Istio's rules). */
import type { PatchContext } from '#model/envoy-filter-match.ts';
import type { Cluster } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { FilterChain } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import type { Route, VirtualHost } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import type { RouteConfiguration } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import type { CompiledPatch } from './patch-set.ts';

/** What a text of a match says; an empty one says nothing. */
function isEqual(wanted: string | undefined, found: string | undefined): boolean {
  return wanted === undefined || wanted === '' || wanted === found;
}

export function contextMatches({ match }: CompiledPatch, context: PatchContext): boolean {
  return match.context === 'ANY' || match.context === context;
}

/** Listeners of captured traffic have a chain for each port. */
const virtualListeners = ['virtualInbound', 'virtualOutbound'];

export function listenerMatches({ applyTo, match }: CompiledPatch, listener: Listener): boolean {
  const { listener: wanted } = match;
  if (wanted === undefined) return true;
  if (!isEqual(wanted.name, listener.name)) return false;
  if (wanted.portNumber === 0) return true;
  if (applyTo !== 'LISTENER' && virtualListeners.includes(listener.name)) return true;
  return listenerPort(listener) === wanted.portNumber;
}

/** Of listeners without a socket, the port that their callers mean: it is in their name. */
function listenerPort({ address, name }: Listener): number | undefined {
  const { value, case: kind } = address?.address ?? {};
  if (kind === 'socketAddress' && value?.portSpecifier.case === 'portValue') return value.portSpecifier.value;
  const [, port] = /^outbound_(\d+)(?:_|$)/.exec(name) ?? [];
  return port === undefined ? undefined : Number(port);
}

export function chainMatches({ match }: CompiledPatch, listener: Listener, chain: FilterChain): boolean {
  const { listener: wanted } = match;
  if (wanted === undefined) return true;
  const found = chain.filterChainMatch;
  const { portNumber, filterChain } = wanted;
  const isVirtual = virtualListeners.includes(listener.name);
  if (isVirtual && portNumber > 0 && found?.destinationPort !== portNumber) return false;
  if (filterChain === undefined) return true;
  const { name, sni, transportProtocol, applicationProtocols, destinationPort } = filterChain;
  const protocols = (applicationProtocols ?? '').split(',').filter((one) => one !== '');
  return (
    isEqual(name, chain.name) &&
    (sni === undefined || sni === '' || found?.serverNames.includes(sni) === true) &&
    isEqual(transportProtocol, found?.transportProtocol) &&
    protocols.every((one) => found?.applicationProtocols.includes(one.trim()) === true) &&
    (destinationPort === 0 || found?.destinationPort === destinationPort)
  );
}

/** Names that Envoy had before, and that EnvoyFilters still match by. */
const formerNames: Readonly<Record<string, string>> = {
  'envoy.http_connection_manager': 'envoy.filters.network.http_connection_manager',
  'envoy.tcp_proxy': 'envoy.filters.network.tcp_proxy',
  'envoy.echo': 'envoy.filters.network.echo',
  'envoy.buffer': 'envoy.filters.http.buffer',
  'envoy.cors': 'envoy.filters.http.cors',
  'envoy.fault': 'envoy.filters.http.fault',
  'envoy.grpc_web': 'envoy.filters.http.grpc_web',
  'envoy.health_check': 'envoy.filters.http.health_check',
  'envoy.router': 'envoy.filters.http.router',
  'envoy.listener.http_inspector': 'envoy.filters.listener.http_inspector',
  'envoy.listener.tls_inspector': 'envoy.filters.listener.tls_inspector',
  'envoy.listener.original_dst': 'envoy.filters.listener.original_dst',
  'envoy.listener.original_src': 'envoy.filters.listener.original_src',
  'envoy.listener.proxy_protocol': 'envoy.filters.listener.proxy_protocol',
};

/** @param wanted undefined: any */
export function nameMatches(wanted: string | undefined, name: string): boolean {
  return wanted === undefined || wanted === name || formerNames[wanted] === name;
}

export function routeTableMatches(
  { match }: CompiledPatch,
  context: PatchContext,
  { name }: RouteConfiguration,
): boolean {
  const { routeConfiguration: wanted } = match;
  if (wanted === undefined) return true;
  if (!isEqual(wanted.name, name)) return false;
  const { portNumber, portName = '', gateway = '' } = wanted;
  if (context !== 'GATEWAY') return portNumber === 0 || routePort(name) === portNumber;
  // `http.8080`, or `https.443.PORTNAME.GATEWAY.NAMESPACE`.
  const [, port, ownPortName = '', ownGateway = '', ownNamespace = ''] = name.split('.');
  return (
    (portNumber === 0 || Number(port) === portNumber) &&
    (portName === '' || portName === ownPortName) &&
    (gateway === '' || gateway === `${ownNamespace}/${ownGateway}`)
  );
}

/** `80`, `db.default.svc.cluster.local:80` and `inbound|8080||`. */
function routePort(name: string): number | undefined {
  const [, port] = /^(?:inbound\|(?=\d+\|)|.*:(?=\d+$)|(?=\d+$))(\d+)/.exec(name) ?? [];
  return port === undefined ? undefined : Number(port);
}

export function virtualHostMatches({ match }: CompiledPatch, host: VirtualHost): boolean {
  const wanted = match.routeConfiguration?.vhost;
  if (!isEqual(wanted?.name, host.name)) return false;
  const { domainName = '' } = wanted ?? {};
  return domainName === '' || host.domains.includes(domainName);
}

const actions = { ROUTE: 'route', REDIRECT: 'redirect', DIRECT_RESPONSE: 'directResponse' } as const;

export function routeMatches({ match }: CompiledPatch, route: Route): boolean {
  const wanted = match.routeConfiguration?.vhost?.route;
  if (wanted === undefined) return true;
  if (!isEqual(wanted.name, route.name)) return false;
  return wanted.action === 'ANY' || route.action.case === actions[wanted.action];
}

export function clusterMatches({ match }: CompiledPatch, cluster: Cluster): boolean {
  const { cluster: wanted } = match;
  if (wanted === undefined) return true;
  if (wanted.name !== undefined && wanted.name !== '') return wanted.name === cluster.name;
  const [, port = '', subset = '', host = ''] = cluster.name.split('|');
  const { service = '', portNumber } = wanted;
  return (
    (service === '' || service === host || servicesOf(cluster).includes(service)) &&
    isEqual(wanted.subset, subset) &&
    (portNumber === 0 || Number(port) === portNumber)
  );
}

/** Those that its metadata names; of a workload's own clusters the name does not. */
function servicesOf({ metadata }: Cluster): readonly string[] {
  const services = metadata?.filterMetadata.istio?.services;
  if (!Array.isArray(services)) return [];
  return services.flatMap((one) =>
    typeof one === 'object' && one !== null && !Array.isArray(one) && typeof one.host === 'string'
      ? [one.host]
      : [],
  );
}
