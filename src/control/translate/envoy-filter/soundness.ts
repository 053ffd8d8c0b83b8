/** Whether proxies could take a resource that was patched: what Envoy and Heddle refuse a whole resource for. */
import { type Message, toBinary } from '@bufbuild/protobuf';
import type { Cluster } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { TypedExtensionConfig } from '#xds/gen/envoy/config/core/v3/extension_pb.js';
import {
  type FilterChain,
  type FilterChainMatch,
  FilterChainMatchSchema,
} from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import type { RouteConfiguration } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import { RouterSchema } from '#xds/gen/envoy/extensions/filters/http/router/v3/router_pb.js';
import {
  type HttpConnectionManager,
  HttpConnectionManagerSchema,
} from '#xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { typeUrlOf, unpackAny } from '#xds/registry.ts';

/** What is wrong with it first; undefined: nothing. */
export type Judge<Of extends Message> = (message: Of) => string | undefined;

/** Network filters that a chain ends with. */
const terminal =
  /\/envoy\.extensions\.filters\.network\.(?:http_connection_manager|tcp_proxy|direct_response|echo)\.v3\./;

/** The first reason that a check gives. */
function firstOf(checks: Iterable<string | undefined>): string | undefined {
  for (const reason of checks) if (reason !== undefined) return reason;
  return undefined;
}

export function judgeListener(listener: Listener): string | undefined {
  const { name, filterChains, defaultFilterChain, listenerFilters } = listener;
  if (name === '') return 'it has no name';
  const chains = defaultFilterChain === undefined ? filterChains : [...filterChains, defaultFilterChain];
  const empty = listenerFilters.find(({ configType }) => configType.case === undefined);
  if (empty !== undefined) return `the listener filter ${empty.name} has no typed_config`;
  if (chains.length === 0 && listener.apiListener === undefined) return 'it has no filter chain';
  return sameMatch(filterChains) ?? firstOf(chains.map(judgeChain));
}

function sameMatch(chains: readonly FilterChain[]): string | undefined {
  const seen = new Set<string>();
  for (const { filterChainMatch, name } of chains) {
    const key = filterChainMatch === undefined ? '' : keyOf(filterChainMatch);
    if (seen.has(key)) return `the filter chain ${JSON.stringify(name)} has the match of another`;
    seen.add(key);
  }
  return undefined;
}

function keyOf(match: FilterChainMatch): string {
  return Buffer.from(toBinary(FilterChainMatchSchema, match)).toString('base64');
}

function judgeChain({ filters, name }: FilterChain): string | undefined {
  const where = name === '' ? 'a filter chain' : `the filter chain ${JSON.stringify(name)}`;
  if (filters.length === 0) return `${where} has no filters`;
  return firstOf(
    filters.map((filter, index) => {
      const { configType } = filter;
      if (filter.name === '') return `a filter of ${where} has no name`;
      if (configType.case === undefined) return `${filter.name} of ${where} has no typed_config`;
      if (configType.case !== 'typedConfig') return undefined;
      const { typeUrl } = configType.value;
      const isTerminal = terminal.test(typeUrl);
      const isLast = index === filters.length - 1;
      if (isTerminal && !isLast) return `${filter.name} would not be the last filter of ${where}`;
      if (!isTerminal && isLast && typeUrl.includes('/envoy.'))
        return `the last filter of ${where} would be ${filter.name}, which passes connections on`;
      const unpacked = unpackAny(configType.value);
      if (!unpacked.ok || unpacked.schema !== HttpConnectionManagerSchema) return undefined;
      return judgeManager(unpacked.message as HttpConnectionManager);
    }),
  );
}

function judgeManager({ httpFilters, routeSpecifier }: HttpConnectionManager): string | undefined {
  const isRouter = httpFilters.map(
    ({ configType }) =>
      configType.case === 'typedConfig' && configType.value.typeUrl === typeUrlOf(RouterSchema),
  );
  if (httpFilters.some(({ name }) => name === '')) return 'an HTTP filter has no name';
  const empty = httpFilters.find(({ configType }) => configType.case === undefined);
  if (empty !== undefined) return `the HTTP filter ${empty.name} has no typed_config`;
  if (isRouter.at(-1) !== true)
    return `the last HTTP filter would be ${httpFilters.at(-1)?.name ?? 'none'}, not the router: INSERT_BEFORE puts one before it`;
  if (isRouter.indexOf(true) !== isRouter.length - 1) return 'there would be two routers';
  if (routeSpecifier.case === undefined) return 'a connection manager would have no routes';
  return routeSpecifier.case === 'routeConfig' ? judgeRoutes(routeSpecifier.value) : undefined;
}

export function judgeRoutes({ virtualHosts }: RouteConfiguration): string | undefined {
  const names = new Set<string>();
  const domains = new Set<string>();
  return firstOf(
    virtualHosts.flatMap((host) => {
      const where = `the virtual host ${JSON.stringify(host.name)}`;
      const isTwice = names.has(host.name);
      names.add(host.name);
      return [
        host.name === '' ? 'a virtual host has no name' : undefined,
        isTwice ? `${where} would be there twice` : undefined,
        host.domains.length === 0 ? `${where} has no domains` : undefined,
        ...host.domains.map((domain) => {
          if (domains.has(domain))
            return `the domain ${JSON.stringify(domain)} would be in two virtual hosts`;
          domains.add(domain);
          return undefined;
        }),
        ...host.routes.map((route) => {
          const of = `the route ${JSON.stringify(route.name)} of ${where}`;
          if (route.match?.pathSpecifier.case === undefined) return `${of} matches by no path`;
          return route.action.case === undefined ? `${of} does nothing` : undefined;
        }),
      ];
    }),
  );
}

export function judgeCluster({ name, connectTimeout, loadAssignment }: Cluster): string | undefined {
  if (name === '') return 'a cluster has no name';
  const { seconds = 1n, nanos = 0 } = connectTimeout ?? {};
  if (seconds < 0n || nanos < 0 || (seconds === 0n && nanos === 0))
    return 'its connect_timeout is not more than 0s';
  const endpoints = loadAssignment?.endpoints.flatMap(({ lbEndpoints }) => lbEndpoints) ?? [];
  const isWhole = endpoints.every(
    ({ hostIdentifier: { case: kind, value } }) =>
      kind !== 'endpoint' || value.address?.address.case !== undefined,
  );
  return isWhole ? undefined : 'an endpoint of it has no address';
}

export function judgeExtension({ name, typedConfig }: TypedExtensionConfig): string | undefined {
  if (name === '') return 'an extension has no name';
  return typedConfig === undefined || typedConfig.typeUrl === '' ? `${name} has no typed_config` : undefined;
}
