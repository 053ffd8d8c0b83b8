/**
 * A RouteConfiguration, compiled when it arrives: hosts to a table, matchers to functions. Pure: the
 * same table answers a request in the proxy and a question in the simulator.
 */

import type { Any } from '@bufbuild/protobuf/wkt';
import type { Parsed } from '#core/problem.ts';
import { atOnce, type Steps } from '#core/time-slice.ts';
import type { Metadata } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import {
  type Route,
  type RouteMatch,
  VirtualHost_TlsRequirementType as Tls,
  type VirtualHost,
} from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import type { RouteConfiguration } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import {
  FractionalPercent_DenominatorType as Denominator,
  type FractionalPercent,
} from '#xds/gen/envoy/type/v3/percent_pb.js';
import { Findings } from '../findings.ts';
import {
  compileDirectResponse,
  compileForward,
  compileRedirect,
  type DestinationFilters,
  type DirectResponse,
  type Forward,
  type NoForwarding,
  type Redirect,
} from './action.ts';
import { bodyLimitBytes, compileBodyLimit } from './body-limit.ts';
import { compileFilterConfigs, type FilterOverrides, type RouteFilters } from './filter-config.ts';
import {
  compileCookieMatch,
  compileHeaderMatch,
  compileQueryMatch,
  type HeaderMatch,
  type HeaderSource,
} from './header-match.ts';
import { compileMutation, type HeaderMutation } from './header-mutation.ts';
import { compileHedgePolicy } from './hedge-policy.ts';
import { HostTable } from './host-table.ts';
import { compilePath, type MatchedPath } from './path-match.ts';
import { compileRetryPolicy, type RetryRules, warnOfTypedPolicy } from './retry-policy.ts';
import { anyPath, type PathKey, RouteIndex } from './route-index.ts';

/** What is known of a request when its route is looked for. */
export interface RouteRequest extends HeaderSource {
  readonly isGrpc: boolean;
  /** Whether the client showed a certificate, and whether it was verified. */
  readonly peerPresented: boolean;
  readonly peerValidated: boolean;
  /** Decides about all fractions and weights of one request: an integer, 0 to 2^53 - 1. */
  readonly randomValue: number;
}

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
  readonly routes: readonly CompiledRoute[];
  /** @param path without query and fragment, as matchers see it */
  find(request: RouteRequest, path: string): CompiledRoute | undefined;
}

export interface CompiledRoute {
  readonly name: string;
  readonly host: CompiledHost;
  readonly action: RouteAct;
  readonly statPrefix: string;
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
  findHost(authority: string): CompiledHost | undefined;
  find(request: RouteRequest): CompiledRoute | undefined;
}

/** Compiled before somebody who cannot wait asks for it. */
const compiledBefore = new WeakMap<RouteConfiguration, Parsed<RouteTable>>();

export function compileRoutes(config: RouteConfiguration, filters: RouteFilters): Parsed<RouteTable> {
  return compiledBefore.get(config) ?? atOnce(compileRouteSteps(config, filters));
}

/** Compiles it in steps; `compileRoutes` gives the same from then on, as long as there is the message. */
export function* compileRoutesBefore(config: RouteConfiguration, filters: RouteFilters): Steps<void> {
  compiledBefore.set(config, yield* compileRouteSteps(config, filters));
}

/** A route at a time. */
export function* compileRouteSteps(
  config: RouteConfiguration,
  filters: RouteFilters,
): Steps<Parsed<RouteTable>> {
  const findings = new Findings();
  const hosts = new HostTable<CompiledHost>();
  const clusters = new Set<string>();
  const compileFilters: FilterConfigCompiler = (configs, outer, path) =>
    compileFilterConfigs(configs, outer, path, filters, findings);
  const overrides = compileFilters(config.typedPerFilterConfig, undefined, '');
  for (const [h, host] of config.virtualHosts.entries()) {
    const path = `virtual_hosts[${h}]`;
    const compiled = yield* compileHost(config, host, path, { compileFilters, overrides, findings });
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
  const ignorePort = config.ignorePortInHostMatching;
  const ignoreParameters = config.ignorePathParametersInPathMatching;
  const table: RouteTable = {
    name: config.name,
    mostSpecificWins: config.mostSpecificHeaderMutationsWins,
    internalOnlyHeaders: config.internalOnlyHeaders.map((name) => name.toLowerCase()),
    clusters: [...clusters],
    findHost: (authority) => hosts.find(ignorePort ? withoutPort(authority) : authority),
    find(request) {
      const host = table.findHost(request.authority);
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

interface HostContext {
  readonly compileFilters: FilterConfigCompiler;
  /** Of the table. */
  readonly overrides: FilterOverrides | undefined;
  readonly findings: Findings;
}

function* compileHost(
  config: RouteConfiguration,
  host: VirtualHost,
  path: string,
  { compileFilters, overrides, findings }: HostContext,
): Steps<CompiledHost> {
  if (host.name === '') findings.error(`${path}.name`, 'is missing');
  warnOfTypedPolicy(host.retryPolicyTypedConfig, path, findings);
  const limitOfHost = compileBodyLimit(host, path, findings);
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
    const { matches, matched, key } = compileMatch(route.match, `${at}.match`, findings);
    const action = compileAction(
      route,
      matched,
      config.maxDirectResponseBodySizeBytes,
      (configs, inner) => compileFilters(configs, ofRoute, inner),
      at,
      findings,
    );
    keys.push(key);
    routes.push({
      name: route.name,
      host: compiled,
      action,
      statPrefix: route.statPrefix,
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
  maxBodyBytes: number | undefined,
  filtersOf: DestinationFilters,
  path: string,
  findings: Findings,
): RouteAct {
  const { action } = route;
  switch (action.case) {
    case 'route':
      return compileForward(action.value, matched, filtersOf, `${path}.route`, findings);
    case 'redirect':
      return compileRedirect(action.value, matched, `${path}.redirect`, findings);
    case 'directResponse':
      return compileDirectResponse(action.value, maxBodyBytes, `${path}.direct_response`, findings);
    case 'nonForwardingAction':
      return { kind: 'none' };
    default:
      findings.error(path, 'has no action');
      return { kind: 'none' };
  }
}

interface CompiledMatch {
  readonly key: PathKey;
  readonly matched: MatchedPath;
  matches(request: RouteRequest, path: string): boolean;
}

function compileMatch(match: RouteMatch | undefined, path: string, findings: Findings): CompiledMatch {
  if (match === undefined) {
    findings.error(path, 'is missing');
    return { key: anyPath, matched: { prefix: undefined }, matches: () => false };
  }
  const { key, test, ...matched } = compilePath(match, path, findings);
  const rest: ((request: RouteRequest) => boolean)[] = [
    ...match.headers.map(
      (matcher, i): HeaderMatch => compileHeaderMatch(matcher, `${path}.headers[${i}]`, findings),
    ),
    ...match.queryParameters.map((matcher, i) =>
      compileQueryMatch(matcher, `${path}.query_parameters[${i}]`, findings),
    ),
    ...match.cookies.map((matcher, i) => compileCookieMatch(matcher, `${path}.cookies[${i}]`, findings)),
  ];
  if (match.grpc !== undefined) rest.push((request) => request.isGrpc);
  const { tlsContext } = match;
  if (tlsContext?.presented !== undefined)
    rest.push((request) => request.peerPresented === tlsContext.presented);
  if (tlsContext?.validated !== undefined)
    rest.push((request) => request.peerValidated === tlsContext.validated);
  if (match.runtimeFraction?.defaultValue !== undefined) {
    const { numerator } = match.runtimeFraction.defaultValue;
    const parts = partsOf(match.runtimeFraction.defaultValue);
    rest.push((request) => request.randomValue % parts < numerator);
  }
  if (rest.length === 0) return { key, matched, matches: test };
  return {
    key,
    matched,
    matches(request, plain) {
      if (!test(request, plain)) return false;
      for (let i = 0; i < rest.length; i++) if (!rest[i]!(request)) return false;
      return true;
    },
  };
}

/** 0 to 1. */
export function ratioOf(percent: FractionalPercent): number {
  return percent.numerator / partsOf(percent);
}

/** How many parts a whole has. */
export function partsOf({ denominator }: FractionalPercent): number {
  return denominator === Denominator.MILLION ? 1e6 : denominator === Denominator.TEN_THOUSAND ? 1e4 : 100;
}
