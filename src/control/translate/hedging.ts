/** `hedging` of a ResiliencePolicy -> a route for the methods it is for, in front of the one that it was. */
import type { HedgingPolicy } from '#model/resilience-policy.ts';
import type {
  HeaderMatcherSchema,
  RetryPolicySchema,
  RouteMatchSchema,
} from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import type { ResourceIndex } from '../store/resource-index.ts';
import { clustersOf, type ForwardingAction } from './forwarding-action.ts';
import { resilienceOfCluster } from './host-policy.ts';
import type { Caller } from './http-route.ts';
import { duration, type Init } from './message.ts';
import type { RouteInit } from './route-action.ts';

/** Without retries (`attempts: 0` of a VirtualService) nothing is hedged either. */
export function hedged(route: RouteInit, caller: Caller, index: ResourceIndex): RouteInit[] {
  // gRPC's clients are not told of it, and refuse nothing for it.
  if (caller.client === 'grpc' || route.action?.case !== 'route') return [route];
  const action = route.action.value as ForwardingAction;
  if (action.retryPolicy === undefined) return [route];
  const policies = clustersOf(action).map(
    (cluster) => resilienceOfCluster(cluster, caller, index)?.spec.hedging,
  );
  const [first] = policies;
  if (first === undefined || policies.includes(undefined)) return [route];
  const retryPolicy = action.retryPolicy as Init<typeof RetryPolicySchema>;
  const match = { ...route.match } as Init<typeof RouteMatchSchema>;
  const value: ForwardingAction = {
    ...action,
    retryPolicy: {
      ...retryPolicy,
      numRetries: first.maxAttempts - 1,
      perTryTimeout: duration(first.delay),
    },
    hedgePolicy: { hedgeOnPerTryTimeout: true },
  };
  match.headers = [...(match.headers ?? []), methodMatcher(first)];
  return [{ ...route, match, action: { case: 'route', value } }, route];
}

function methodMatcher({ methods }: HedgingPolicy): Init<typeof HeaderMatcherSchema> {
  const pattern =
    methods.length === 1
      ? { case: 'exact' as const, value: methods[0] ?? '' }
      : { case: 'safeRegex' as const, value: { regex: methods.join('|') } };
  return {
    name: ':method',
    headerMatchSpecifier: { case: 'stringMatch', value: { matchPattern: pattern } },
  };
}
