/**
 * `consistentHash` of the hosts that a route leads to -> the hash policies of the route. Where a route has several
 * destinations whose hash is the same, it chooses among them, too: who belongs to an endpoint belongs to a version.
 */
import type { ConsistentHash, HashCookie } from '#model/consistent-hash.ts';
import type {
  RouteAction_HashPolicySchema,
  WeightedClusterSchema,
} from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import type { PolicyReader } from '../store/host-policies.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import { clustersOf, type ForwardingAction } from './forwarding-action.ts';
import { policyOfCluster } from './host-policy.ts';
import { duration, type Init } from './message.ts';
import type { RouteInit } from './route-action.ts';

type HashPolicy = Init<typeof RouteAction_HashPolicySchema>;

export function withHashPolicy(route: RouteInit, reader: PolicyReader, index: ResourceIndex): RouteInit {
  if (route.action?.case !== 'route') return route;
  const action = route.action.value as ForwardingAction;
  const written = clustersOf(action).map(
    (cluster) => policyOfCluster(cluster, reader, index).loadBalancer?.consistentHash,
  );
  const distinct = new Map(
    written.flatMap((hash) => {
      const policy = hash && hashPolicy(hash);
      return policy === undefined ? [] : [[JSON.stringify(policy, textOf), policy] as const];
    }),
  );
  if (distinct.size === 0) return route;
  const { clusterSpecifier: specifier } = action;
  const isShared = distinct.size === 1 && written.every((hash) => hash !== undefined);
  const value: ForwardingAction = {
    ...action,
    hashPolicy: [...distinct.values()],
    ...(specifier?.case === 'weightedClusters' &&
      isShared && {
        clusterSpecifier: {
          case: 'weightedClusters' as const,
          value: {
            ...(specifier.value as Init<typeof WeightedClusterSchema>),
            randomValueSpecifier: { case: 'useHashPolicy' as const, value: { value: true } },
          },
        },
      }),
  };
  return { ...route, action: { case: 'route', value } };
}

function textOf(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}

function hashPolicy(hash: ConsistentHash): HashPolicy | undefined {
  const { httpHeaderName, httpCookie, useSourceIp, httpQueryParameterName } = hash;
  if (httpHeaderName !== undefined)
    return { policySpecifier: { case: 'header', value: { headerName: httpHeaderName } } };
  if (httpCookie !== undefined) return { policySpecifier: { case: 'cookie', value: cookieInit(httpCookie) } };
  if (httpQueryParameterName !== undefined)
    return { policySpecifier: { case: 'queryParameter', value: { name: httpQueryParameterName } } };
  if (useSourceIp === true)
    return { policySpecifier: { case: 'connectionProperties', value: { sourceIp: true } } };
  return undefined;
}

function cookieInit({ name, path, ttl, attributes }: HashCookie) {
  return {
    name,
    ...(ttl !== undefined && { ttl: duration(ttl) }),
    ...(path !== undefined && path !== '' && { path }),
    attributes: attributes.map(({ name: attribute, value = '' }) => ({ name: attribute, value })),
  };
}
