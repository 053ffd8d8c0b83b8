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
import { type Init, millionths, pack } from './message.ts';
import { outboundClusterName } from './names.ts';
import { plainAction, type RouteInit } from './route-action.ts';
import { faultName } from './route-filters.ts';
import { virtualHost } from './route-table.ts';
import { domainsOf, type RoutedHost, type VirtualHostInit } from './virtual-host.ts';

type RetryPolicyInit = Init<typeof RetryPolicySchema>;

/** Of a redirect, which no client follows. */
const MOVED = 301;
const ALWAYS = 100;

/** One for all spellings of the host, or one for each where a route asks how it was spelled. */
export function grpcVirtualHosts(host: RoutedHost): VirtualHostInit[] {
  const written = host.routes.map((route) => create(RouteSchema, route));
  const depends = written.some(({ match }) => match !== undefined && asksForAuthority(match));
  const groups = depends ? host.aliases.map((alias) => [alias]) : [host.aliases];
  return groups.map((aliases) => {
    const authority = `${aliases[0]}:${host.port}`;
    const routes = written.flatMap((route) => {
      const matches = route.match === undefined ? [] : grpcMatches(route.match, authority);
      return matches.map((match) => ({ ...grpcRoute(route, host), match }));
    });
    return virtualHost(host, domainsOf({ ...host, aliases }, true), routes);
  });
}

function grpcRoute(route: Route, host: RoutedHost): RouteInit {
  const { name, action, typedPerFilterConfig } = route;
  const common = name === '' ? {} : { name };
  if (action.case === 'redirect') return { ...common, ...refusal(MOVED, host) };
  if (action.case === 'directResponse') return { ...common, ...refusal(action.value.status, host) };
  if (action.case !== 'route') return route;
  const { retryPolicy, maxStreamDuration, hashPolicy } = action.value;
  const value = {
    clusterSpecifier: withoutHeaders(action.value),
    ...(retryPolicy !== undefined && { retryPolicy: grpcRetry(retryPolicy) }),
    ...(maxStreamDuration !== undefined && { maxStreamDuration }),
    hashPolicy,
  };
  return { ...common, action: { case: 'route', value }, typedPerFilterConfig };
}

/** They know no answers but those of servers; one of their faults is the same to who calls. */
function refusal(httpStatus: number, { host, port }: RoutedHost): RouteInit {
  const errorType = { case: 'grpcStatus' as const, value: grpcStatusOfHttp(httpStatus) };
  const fault = pack(HTTPFaultSchema, { abort: { errorType, percentage: millionths(ALWAYS) } });
  return {
    action: plainAction(outboundClusterName(port, '', host)),
    typedPerFilterConfig: { [faultName]: fault },
  };
}

type ActionInit = Extract<NonNullable<RouteInit['action']>, { case: 'route' }>['value'];

function withoutHeaders({ clusterSpecifier }: RouteAction): NonNullable<ActionInit['clusterSpecifier']> {
  if (clusterSpecifier.case !== 'weightedClusters') return clusterSpecifier;
  const clusters = clusterSpecifier.value.clusters.map(({ name, weight = 0 }) => ({ name, weight }));
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

function grpcRetry(policy: RetryPolicy): RetryPolicyInit {
  const { retryOn, retriableStatusCodes, numRetries, retryBackOff } = policy;
  const written = retryOn.split(',');
  const isUnavailable =
    written.some((condition) => unavailableTo.has(condition)) ||
    retriableStatusCodes.includes(serviceUnavailable);
  const conditions = [
    ...written.filter((condition) => grpcConditions.has(condition)),
    ...(isUnavailable ? ['unavailable'] : []),
  ];
  return {
    retryOn: [...new Set(conditions)].join(','),
    ...(numRetries !== undefined && { numRetries }),
    ...(retryBackOff !== undefined && { retryBackOff }),
  };
}
