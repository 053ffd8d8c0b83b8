/** A redirect of the upstream that is followed here: what becomes of the request (Envoy, "Internal redirects"). */
import { type HeaderList, hasHeader, headerOf, removeHeader, setHeader } from '#http/header-list.ts';
import { clusterNameOf } from '../route/destinations.ts';
import type { InternalRedirects } from '../route/internal-redirect.ts';
import type { CompiledRoute } from '../route/table.ts';
import { mustRedirectToTls } from './request-head.ts';
import type { RoutedRequest } from './routed-request.ts';

/** Of one request, over all of its exchanges. */
export interface FollowedRedirects {
  count: number;
  /** Pairs of routes, as predicates keep them. */
  readonly taken: Set<string>;
}

/** The parts of an absolute URL. */
interface Location {
  readonly scheme: 'http' | 'https' | 'other';
  readonly authority: string;
  readonly path: string;
}

const SEE_OTHER = 303;

/**
 * Makes the request what the redirect asks for.
 *
 * @param headers of the response
 * @returns whether it can be followed; if not, the request is as it was
 */
export function takeRedirect(
  exchange: RoutedRequest,
  route: CompiledRoute,
  redirects: InternalRedirects,
  status: number,
  headers: HeaderList,
): boolean {
  const { stats } = exchange.runtime;
  const location = parseLocation(headerOf(headers, 'location') ?? '');
  if (location === undefined) {
    stats.passthrough_internal_redirect_bad_location.inc();
    return false;
  }
  const fromSecure = exchange.scheme === 'https';
  const toSecure = location.scheme === 'https';
  if (location.scheme === 'other' || (fromSecure !== toSecure && !redirects.allowsCrossScheme)) {
    stats.passthrough_internal_redirect_unsafe_scheme.inc();
    return false;
  }
  exchange.redirects ??= { count: 0, taken: new Set() };
  const followed = exchange.redirects;
  if (followed.count >= redirects.max) {
    stats.passthrough_internal_redirect_too_many_redirects.inc();
    return false;
  }
  const { scheme, authority, path, requestHeaders } = exchange;
  const copied = [...requestHeaders];
  for (const name of redirects.copied) copyHeader(name, headers, copied);
  exchange.requestHeaders = copied;
  exchange.scheme = location.scheme;
  exchange.authority = location.authority;
  exchange.path = location.path;
  const target = findTarget(exchange);
  let refusal = target === undefined ? stats.passthrough_internal_redirect_no_route : undefined;
  const { taken } = followed;
  if (
    target !== undefined &&
    !redirects.allows({ from: route.name, to: target, fromSecure, toSecure, taken })
  )
    refusal = stats.passthrough_internal_redirect_predicate;
  if (refusal !== undefined) {
    refusal.inc();
    Object.assign(exchange, { scheme, authority, path, requestHeaders });
    return false;
  }
  followed.count++;
  if (status === SEE_OTHER && exchange.method !== 'GET' && exchange.method !== 'HEAD') {
    exchange.method = 'GET';
    removeHeader(copied, 'content-length');
  }
  setHeader(copied, 'x-envoy-original-url', `${scheme}://${authority}${path}`);
  exchange.clearRoute();
  return true;
}

/** The name of the route it would take; undefined where there is none. A host that wants TLS answers by itself. */
function findTarget(exchange: RoutedRequest): string | undefined {
  const { runtime } = exchange;
  const table = runtime.routes();
  exchange.routeName = '';
  exchange.upstreamCluster = '';
  if (mustRedirectToTls(table?.findHost(exchange), exchange.requestHeaders)) return '';
  const route = table?.find(exchange);
  if (route === undefined) return undefined;
  const { action, name } = route;
  // Its record is of where the request went last.
  exchange.routeName = name;
  if (action.kind === 'forward') {
    const cluster = clusterNameOf(action.choose(exchange), exchange);
    exchange.upstreamCluster = runtime.cluster(cluster)?.name ?? '';
  }
  return name;
}

function copyHeader(name: string, from: readonly string[], to: HeaderList): void {
  if (hasHeader(to, name)) removeHeader(to, name);
  for (let i = 0; i < from.length; i += 2) if (from[i] === name) to.push(name, from[i + 1]!);
}

function parseLocation(text: string): Location | undefined {
  const match = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/(?:[^/?#@]*@)?([^/?#@]+)([^#]*)/.exec(text);
  if (match === null) return undefined;
  const [, scheme, authority, rest] = match as unknown as [string, string, string, string];
  if (!/^(?:[^:@[\]\s]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/.test(authority)) return undefined;
  const path = rest.startsWith('/') ? rest : `/${rest}`;
  const lower = scheme.toLowerCase();
  return { scheme: lower === 'https' || lower === 'http' ? lower : 'other', authority, path };
}
