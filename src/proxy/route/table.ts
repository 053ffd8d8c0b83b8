/**
 * A RouteConfiguration, compiled when it arrives: hosts to a table, matchers to functions. Pure: the
 * same table answers a request in the proxy and a question in the simulator.
 */

import type { Any } from '@bufbuild/protobuf/wkt';
import type { Parsed } from '#core/problem.ts';
import { atOnce, type Steps } from '#core/time-slice.ts';
import { headerOf } from '#http/header-list.ts';
import type { Metadata } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import {
  type Route,
  VirtualHost_TlsRequirementType as Tls,
  type VirtualHost,
} from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import type { RouteConfiguration } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import { Findings } from '../findings.ts';
import type { Wanted } from '../resource-source.ts';
import { noRuntime } from '../runtime/values.ts';
import { compileForward, type Forward, type NoForwarding } from './action.ts';
import { bodyLimitBytes, compileBodyLimit } from './body-limit.ts';
import { type DestinationFilters, nowhere } from './destinations.ts';
import { compileDirectResponse, DEFAULT_BODY_BYTES, type DirectResponse } from './direct-response.ts';
import { compileFilterConfigs, type FilterOverrides, type RouteFilterLoader } from './filter-config.ts';
import { compileMutation, type HeaderMutation } from './header-mutation.ts';
import { compileHedgePolicy } from './hedge-policy.ts';
import { HostTable } from './host-table.ts';
import type { HostContext, RouteDeps, TableContext } from './level.ts';
import { compileMatch, type RouteRequest } from './match.ts';
import { compileMirrors, noMirrors } from './mirror-policy.ts';
import type { MatchedPath } from './path-match.ts';
import { compileRedirect, type Redirect } from './redirect.ts';
import { compileRetryPolicy, type RetryRules, warnOfTypedPolicy } from './retry-policy.ts';
import { type PathKey, RouteIndex } from './route-index.ts';
import { RouteStats } from './route-stats.ts';
import { refuseUnsupportedHost, refuseUnsupportedRoute, refuseUnsupportedTable } from './unsupported.ts';
import { readVhds } from './vhds.ts';
import { compileVirtualClusters, type FindVirtualCluster } from './virtual-cluster.ts';

export type RouteAct = Forward | Redirect | DirectResponse | NoForwarding;

export interface CompiledHost {
  readonly name: string;
  readonly requireTls: 'none' | 'external' | 'all';
  readonly retry: RetryRules | undefined;
  /** Whether a try that takes long goes on while another begins. */
  readonly hedges: boolean;
  readonly includeRequestAttemptCount: boolean;
  /** Whether retries tell the upstream if they follow a time-out. */
  readonly includeIsTimeoutRetryHeader: boolean;
  readonly includeAttemptCountInResponse: boolean;
  /** Undefined where the host has none. */
  readonly virtualCluster: FindVirtualCluster | undefined;
  readonly routes: readonly CompiledRoute[];
  /** @param path without query and fragment, as matchers see it */
  find(request: RouteRequest, path: string): CompiledRoute | undefined;
}

export interface CompiledRoute {
  readonly name: string;
  readonly host: CompiledHost;
  readonly action: RouteAct;
  /** Where it has a `stat_prefix`. */
  readonly stats: RouteStats | undefined;
  readonly metadata: Metadata | undefined;
  /** Own retry policy, or that of the virtual host. */
  readonly retry: RetryRules | undefined;
  /** Likewise. */
  readonly hedges: boolean;
  /** How much of a body is kept for a retry; undefined: as much as the connection allows. */
  readonly bodyLimitBytes: number | undefined;
  /** Levels of header changes in the order they are made; those of a weighted cluster come before or after. */
  readonly request: readonly HeaderMutation[];
  readonly response: readonly HeaderMutation[];
  /** Undefined where nothing is said of filters. */
  readonly filters: FilterOverrides | undefined;
  matches(request: RouteRequest, path: string): boolean;
}

export interface RouteTable {
  readonly name: string;
  /** Whether levels of header changes run from the least to the most specific. */
  readonly mostSpecificWins: boolean;
  readonly internalOnlyHeaders: readonly string[];
  readonly clusters: readonly string[];
  /** Of virtual clusters and routes; to be held while the table is in force. */
  readonly figures: readonly RouteStats[];
  /** Where more virtual hosts come from (VHDS); undefined: there are no others. */
  readonly virtualHosts: Wanted | undefined;
  findHost(request: Pick<RouteRequest, 'authority' | 'requestHeaders'>): CompiledHost | undefined;
  find(request: RouteRequest): CompiledRoute | undefined;
}

/** Compiled before somebody who cannot wait asks for it. */
const compiledBefore = new WeakMap<RouteConfiguration, Parsed<RouteTable>>();

/** What a table is compiled with. */
export interface RouteSurroundings {
  /** All HTTP filters there are. */
  readonly filters: readonly RouteFilterLoader[];
  readonly deps: RouteDeps;
}

export function compileRoutes(config: RouteConfiguration, from: RouteSurroundings): Parsed<RouteTable> {
  return compiledBefore.get(config) ?? atOnce(compileRouteSteps(config, from));
}

/** Compiles it in steps; `compileRoutes` gives the same from then on, as long as there is the message. */
export function* compileRoutesBefore(config: RouteConfiguration, from: RouteSurroundings): Steps<void> {
  compiledBefore.set(config, yield* compileRouteSteps(config, from));
}

/** A route at a time. */
export function* compileRouteSteps(
  config: RouteConfiguration,
  from: RouteSurroundings,
): Steps<Parsed<RouteTable>> {
  const { deps } = from;
  const findings = new Findings();
  const runtime = deps.runtime ?? noRuntime;
  const context: TableContext = {
    deps,
    runtime,
    findings,
    figures: [],
    maxBodyBytes: config.maxDirectResponseBodySizeBytes ?? DEFAULT_BODY_BYTES,
    optionalPlugins: refuseUnsupportedTable(config, findings),
  };
  const mirrors = compileMirrors(config.requestMirrorPolicies, noMirrors, '', runtime, findings);
  const hosts = new HostTable<CompiledHost>();
  const clusters = new Set<string>();
  const compileFilters: FilterConfigCompiler = (configs, outer, path) =>
    compileFilterConfigs(configs, outer, path, from, findings);
  const overrides = compileFilters(config.typedPerFilterConfig, undefined, '');
  for (const [h, host] of config.virtualHosts.entries()) {
    const path = `virtual_hosts[${h}]`;
    const compiled = yield* compileHost(config, host, path, {
      ...context,
      mirrors,
      compileFilters,
      overrides,
    });
    if (host.domains.length === 0) findings.error(`${path}.domains`, 'is missing');
    host.domains.forEach((domain, d) => {
      const wrong = hosts.add(domain, compiled);
      if (wrong !== undefined) findings.error(`${path}.domains[${d}]`, wrong);
    });
    for (const { action } of compiled.routes) {
      if (action.kind !== 'forward') continue;
      for (const { cluster } of action.destinations) if (cluster !== '') clusters.add(cluster);
    }
  }
  const vhostHeader = config.vhostHeader.toLowerCase();
  const ignorePort = config.ignorePortInHostMatching;
  const ignoreParameters = config.ignorePathParametersInPathMatching;
  const table: RouteTable = {
    name: config.name,
    mostSpecificWins: config.mostSpecificHeaderMutationsWins,
    internalOnlyHeaders: config.internalOnlyHeaders.map((name) => name.toLowerCase()),
    clusters: [...clusters],
    figures: context.figures,
    virtualHosts: config.vhds && readVhds(config.name, config.vhds, findings),
    findHost(request) {
      const name = vhostHeader === '' ? request.authority : headerOf(request.requestHeaders, vhostHeader);
      if (name === undefined) return undefined;
      return hosts.find(ignorePort ? withoutPort(name) : name);
    },
    find(request) {
      const host = table.findHost(request);
      if (host === undefined) return undefined;
      const path = matchedPath(request.path, ignoreParameters);
      return host.find(request, path);
    },
  };
  return findings.result(table);
}

/** The path without query and fragment, which is what path matchers see. */
function matchedPath(path: string, ignoreParameters: boolean): string {
  let end = path.indexOf('?');
  const hash = path.indexOf('#');
  if (hash !== -1 && (end === -1 || hash < end)) end = hash;
  const plain = end === -1 ? path : path.slice(0, end);
  if (!ignoreParameters) return plain;
  const semicolon = plain.indexOf(';');
  return semicolon === -1 ? plain : plain.slice(0, semicolon);
}

export function withoutPort(authority: string): string {
  const colon = authority.lastIndexOf(':');
  return colon === -1 || authority.indexOf(']', colon) !== -1 ? authority : authority.slice(0, colon);
}

/** What is said of filters at one level, and around it. */
type FilterConfigCompiler = (
  configs: Readonly<Record<string, Any>>,
  outer: FilterOverrides | undefined,
  path: string,
) => FilterOverrides | undefined;

/** Mirrors are those of the table. */
interface OuterContext extends HostContext {
  readonly compileFilters: FilterConfigCompiler;
  /** Of the table. */
  readonly overrides: FilterOverrides | undefined;
}

function* compileHost(
  config: RouteConfiguration,
  host: VirtualHost,
  path: string,
  outerContext: OuterContext,
): Steps<CompiledHost> {
  const { compileFilters, overrides, findings, runtime } = outerContext;
  if (host.name === '') findings.error(`${path}.name`, 'is missing');
  warnOfTypedPolicy(host.retryPolicyTypedConfig, path, findings);
  const limitOfHost = compileBodyLimit(host, path, findings);
  refuseUnsupportedHost(host, path, findings);
  const context: HostContext = {
    ...outerContext,
    mirrors: compileMirrors(host.requestMirrorPolicies, outerContext.mirrors, `${path}.`, runtime, findings),
  };
  const routes: CompiledRoute[] = [];
  const keys: PathKey[] = [];
  let index: RouteIndex<CompiledRoute, RouteRequest>;
  const compiled: CompiledHost = {
    name: host.name,
    requireTls:
      host.requireTls === Tls.ALL ? 'all' : host.requireTls === Tls.EXTERNAL_ONLY ? 'external' : 'none',
    retry: host.retryPolicy && compileRetryPolicy(host.retryPolicy, `${path}.retry_policy`, findings),
    hedges: compileHedgePolicy(host.hedgePolicy, `${path}.hedge_policy`, findings) ?? false,
    includeRequestAttemptCount: host.includeRequestAttemptCount,
    includeIsTimeoutRetryHeader: host.includeIsTimeoutRetryHeader,
    includeAttemptCountInResponse: host.includeAttemptCountInResponse,
    virtualCluster: compileVirtualClusters(
      host.virtualClusters,
      host.name,
      `${path}.virtual_clusters`,
      context,
    ),
    routes,
    find: (request, plain) => index.find(request, plain),
  };
  const outer = {
    request: [
      compileMutation(host.requestHeadersToAdd, host.requestHeadersToRemove, `${path}.`, 'request', findings),
      compileMutation(config.requestHeadersToAdd, config.requestHeadersToRemove, '', 'request', findings),
    ],
    response: [
      compileMutation(
        host.responseHeadersToAdd,
        host.responseHeadersToRemove,
        `${path}.`,
        'response',
        findings,
      ),
      compileMutation(config.responseHeadersToAdd, config.responseHeadersToRemove, '', 'response', findings),
    ],
  };
  const ofHost = compileFilters(host.typedPerFilterConfig, overrides, `${path}.`);
  for (const [r, route] of host.routes.entries()) {
    const at = `${path}.routes[${r}]`;
    const levels = (kind: 'request' | 'response', own: HeaderMutation | undefined): HeaderMutation[] => {
      const list = [own, ...outer[kind]].filter((level) => level !== undefined);
      return config.mostSpecificHeaderMutationsWins ? list.reverse() : list;
    };
    const ofRoute = compileFilters(route.typedPerFilterConfig, ofHost, `${at}.`);
    const { matches, matched, key } = compileMatch(route.match, `${at}.match`, runtime, findings);
    refuseUnsupportedRoute(route, at, findings);
    const filtersOf: DestinationFilters = (configs, inner) => compileFilters(configs, ofRoute, inner);
    const action = compileAction(route, matched, filtersOf, at, context);
    // A plugin chooses its cluster that is not known, and optional: as if it were not there (Envoy).
    if (action.kind === 'forward' && action.choose === nowhere.choose) continue;
    const stats = route.statPrefix === '' ? undefined : RouteStats.ofRoute(host.name, route.statPrefix);
    if (stats !== undefined) context.figures.push(stats);
    keys.push(key);
    routes.push({
      name: route.name,
      host: compiled,
      action,
      stats,
      metadata: route.metadata,
      retry: action.kind === 'forward' ? (action.retry ?? compiled.retry) : undefined,
      hedges: (action.kind === 'forward' ? action.hedges : undefined) ?? compiled.hedges,
      bodyLimitBytes: bodyLimitBytes(compileBodyLimit(route, at, findings), limitOfHost),
      request: levels(
        'request',
        compileMutation(
          route.requestHeadersToAdd,
          route.requestHeadersToRemove,
          `${at}.`,
          'request',
          findings,
        ),
      ),
      response: levels(
        'response',
        compileMutation(
          route.responseHeadersToAdd,
          route.responseHeadersToRemove,
          `${at}.`,
          'response',
          findings,
        ),
      ),
      filters: ofRoute,
      matches,
    });
    yield;
  }
  index = new RouteIndex(routes, keys, isMatch);
  return compiled;
}

const isMatch = (route: CompiledRoute, request: RouteRequest, path: string): boolean =>
  route.matches(request, path);

function compileAction(
  route: Route,
  matched: MatchedPath,
  filtersOf: DestinationFilters,
  path: string,
  context: HostContext,
): RouteAct {
  const { action } = route;
  const { deps, findings, maxBodyBytes } = context;
  switch (action.case) {
    case 'route':
      return compileForward(action.value, matched, filtersOf, `${path}.route`, context);
    case 'redirect':
      return compileRedirect(action.value, matched, `${path}.redirect`, findings);
    case 'directResponse':
      return compileDirectResponse(action.value, maxBodyBytes, `${path}.direct_response`, deps, findings);
    case 'nonForwardingAction':
      return { kind: 'none' };
    default:
      findings.error(path, 'has no action');
      return { kind: 'none' };
  }
}
