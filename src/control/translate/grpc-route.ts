/**
 * Routes as clients of gRPC can follow them. What is no call to them fails as it would behind a proxy; what they
 * leave undone is taken out, and told of (`grpc-loss.ts`).
 */
import { create } from '@bufbuild/protobuf';
import { grpcStatusOfHttp } from '#observe/grpc-status.ts';
import {
  type RetryPolicy,
  type RetryPolicySchema,
  type Route,
  type RouteAction,
  RouteSchema,
} from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import { HTTPFaultSchema } from '#xds/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import { asksForAuthority, grpcMatches } from './grpc-match.ts';
import { isCatchAll } from './http-route.ts';
import { type Init, millionths, pack } from './message.ts';
import { plainAction, type RouteInit } from './route-action.ts';
import { faultName } from './route-filters.ts';
import { matchEverything } from './route-match.ts';
import { virtualHost } from './route-table.ts';
import { domainsOf, type RoutedHost, type VirtualHostInit } from './virtual-host.ts';

type RetryPolicyInit = Init<typeof RetryPolicySchema>;

/** Of a redirect, which no client follows. */
const MOVED = 301;
/** Where no route is for a call. */
const NOT_FOUND = 404;
const ALWAYS = 100;

/**
 * One for all spellings of the host, or one for each where a route asks how it was spelled.
 *
 * @param cluster that is there, for what leads nowhere: clients wait for one that is not
 */
export function grpcVirtualHosts(host: RoutedHost, cluster: string): VirtualHostInit[] {
  const written = host.routes.map((route) => create(RouteSchema, route));
  const depends = written.some(({ match }) => match !== undefined && asksForAuthority(match));
  const groups = depends ? host.aliases.map((alias) => [alias]) : [host.aliases];
  return groups.map((aliases) => {
    const authority = `${aliases[0]}:${host.port}`;
    const routes = written.flatMap((route) => {
      // A refusal is for all whom it may be meant for, a destination for nobody else.
      const refuses = route.action.case !== 'route';
      const matches = route.match === undefined ? [] : grpcMatches(route.match, authority, refuses);
      return matches.map((match) => ({ ...grpcRoute(route, cluster), match }));
    });
    const rest = isCatchAll(routes.at(-1)?.match)
      ? []
      : [{ match: matchEverything, ...refusal(NOT_FOUND, cluster) }];
    const made = virtualHost(host, domainsOf({ ...host, aliases }, true), [...routes, ...rest]);
    return depends ? { ...made, name: authority } : made;
  });
}

function grpcRoute(route: Route, cluster: string): RouteInit {
  const { name, action, typedPerFilterConfig } = route;
  const common = name === '' ? {} : { name };
  if (action.case === 'directResponse') return { ...common, ...refusal(action.value.status, cluster) };
  if (action.case !== 'route') return { ...common, ...refusal(MOVED, cluster) };
  const { retryPolicy, maxStreamDuration, hashPolicy } = action.value;
  const retries = retryPolicy && grpcRetry(retryPolicy);
  const value = {
    clusterSpecifier: withoutHeaders(action.value),
    ...(retries !== undefined && { retryPolicy: retries }),
    ...(maxStreamDuration !== undefined && { maxStreamDuration }),
    hashPolicy: hashPolicy.filter(({ policySpecifier }) => policySpecifier.case === 'header'),
  };
  return { ...common, action: { case: 'route', value }, typedPerFilterConfig };
}

/** They know no answers but those of servers; one of their faults is the same to who calls. */
function refusal(httpStatus: number, cluster: string): RouteInit {
  const errorType = { case: 'grpcStatus' as const, value: grpcStatusOfHttp(httpStatus) };
  const fault = pack(HTTPFaultSchema, { abort: { errorType, percentage: millionths(ALWAYS) } });
  return { action: plainAction(cluster), typedPerFilterConfig: { [faultName]: fault } };
}

type ActionInit = Extract<NonNullable<RouteInit['action']>, { case: 'route' }>['value'];

/** Each cluster once. */
function withoutHeaders({ clusterSpecifier }: RouteAction): NonNullable<ActionInit['clusterSpecifier']> {
  if (clusterSpecifier.case !== 'weightedClusters') return clusterSpecifier;
  const weights = new Map<string, number>();
  for (const { name, weight = 0 } of clusterSpecifier.value.clusters)
    weights.set(name, (weights.get(name) ?? 0) + weight);
  const clusters = [...weights].map(([name, weight]) => ({ name, weight }));
  return { case: 'weightedClusters', value: { clusters } };
}

/** What a proxy sees as a connection that failed, or as 503, they are told as UNAVAILABLE. */
const unavailableTo: ReadonlySet<string> = new Set(['5xx', 'gateway-error', 'reset']);
const serviceUnavailable = 503;
/** gRFC A44. */
const grpcConditions: ReadonlySet<string> = new Set([
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
]);

/** Conditions of gRPC that come nearest; empty: no call is retried. */
export function grpcRetryOn(written: readonly string[], statusCodes: readonly number[]): readonly string[] {
  const isUnavailable =
    written.some((condition) => unavailableTo.has(condition)) || statusCodes.includes(serviceUnavailable);
  const known = written.filter((condition) => grpcConditions.has(condition));
  return [...new Set([...known, ...(isUnavailable ? ['unavailable'] : [])])];
}

function grpcRetry(policy: RetryPolicy): RetryPolicyInit | undefined {
  const { retryOn, retriableStatusCodes, numRetries, retryBackOff } = policy;
  const conditions = grpcRetryOn(retryOn.split(','), retriableStatusCodes);
  if (conditions.length === 0) return undefined;
  return {
    retryOn: conditions.join(','),
    ...(numRetries !== undefined && { numRetries }),
    ...(retryBackOff !== undefined && { retryBackOff }),
  };
}
