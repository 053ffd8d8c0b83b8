/**
 * How callers choose an endpoint. For gRPC clients that is a list of which each takes the first it knows, so that none
 * refuses the cluster: they accept no `lb_policy` but round robin and rings (gRFC A27, A42, A52).
 */
import type { DescMessage } from '@bufbuild/protobuf';
import type { ConsistentHash } from '#model/consistent-hash.ts';
import type { LoadBalancerPolicy, SimpleLoadBalancer } from '#model/load-balancer.ts';
import {
  Cluster_LbPolicy,
  type ClusterSchema,
  type LoadBalancingPolicySchema,
} from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { LeastRequestSchema } from '#xds/gen/envoy/extensions/load_balancing_policies/least_request/v3/least_request_pb.js';
import { RandomSchema } from '#xds/gen/envoy/extensions/load_balancing_policies/random/v3/random_pb.js';
import { RoundRobinSchema } from '#xds/gen/envoy/extensions/load_balancing_policies/round_robin/v3/round_robin_pb.js';
import { WrrLocalitySchema } from '#xds/gen/envoy/extensions/load_balancing_policies/wrr_locality/v3/wrr_locality_pb.js';
import { duration, type Init, pack } from './message.ts';

type ClusterInit = Init<typeof ClusterSchema>;
type Balancing = Pick<ClusterInit, 'lbPolicy' | 'lbConfig'>;
type Policies = Init<typeof LoadBalancingPolicySchema>;
type Policy = NonNullable<Policies['policies']>[number];

/** Istio's, where nothing is said: Envoy's own. */
const RING_SIZE = 1024;

const lbPolicies: Readonly<Record<SimpleLoadBalancer, Cluster_LbPolicy>> = {
  ROUND_ROBIN: Cluster_LbPolicy.ROUND_ROBIN,
  RANDOM: Cluster_LbPolicy.RANDOM,
  LEAST_REQUEST: Cluster_LbPolicy.LEAST_REQUEST,
  PASSTHROUGH: Cluster_LbPolicy.CLUSTER_PROVIDED,
};

/** For Heddle and Envoy. */
export function balancing(policy: LoadBalancerPolicy | undefined): Balancing {
  if (policy?.consistentHash !== undefined) return hashing(policy.consistentHash);
  const simple = policy?.simple ?? 'LEAST_REQUEST';
  const lbPolicy = lbPolicies[simple];
  const slowStartConfig = slowStart(policy);
  if (slowStartConfig === undefined) return { lbPolicy };
  if (simple === 'ROUND_ROBIN')
    return { lbPolicy, lbConfig: { case: 'roundRobinLbConfig', value: { slowStartConfig } } };
  if (simple === 'LEAST_REQUEST')
    return { lbPolicy, lbConfig: { case: 'leastRequestLbConfig', value: { slowStartConfig } } };
  return { lbPolicy };
}

function hashing(hash: ConsistentHash): Balancing {
  const { maglev } = hash;
  if (maglev !== undefined) {
    const { tableSize = 0 } = maglev;
    const value = tableSize > 0 ? { tableSize: BigInt(tableSize) } : {};
    return { lbPolicy: Cluster_LbPolicy.MAGLEV, lbConfig: { case: 'maglevLbConfig', value } };
  }
  return ring(hash);
}

function ring(hash: ConsistentHash): Balancing {
  return {
    lbPolicy: Cluster_LbPolicy.RING_HASH,
    lbConfig: { case: 'ringHashLbConfig', value: { minimumRingSize: ringSize(hash) } },
  };
}

function ringSize({ ringHash, minimumRingSize }: ConsistentHash): bigint {
  return BigInt(ringHash?.minimumRingSize || minimumRingSize || RING_SIZE);
}

type SlowStart = Init<typeof ClusterSchema>['lbConfig'] extends infer Config
  ? Config extends { case: 'roundRobinLbConfig'; value: { slowStartConfig?: infer Slow } }
    ? Slow
    : never
  : never;

function slowStart(policy: LoadBalancerPolicy | undefined): SlowStart | undefined {
  const { warmup, warmupDurationSecs } = policy ?? {};
  const windowMs = warmup?.duration ?? warmupDurationSecs;
  if (windowMs === undefined) return undefined;
  const { minimumPercent, aggression = 0 } = warmup ?? {};
  return {
    slowStartWindow: duration(windowMs),
    ...(minimumPercent !== undefined && { minWeightPercent: { value: minimumPercent } }),
    // Envoy wants a key for a value that the runtime may change.
    ...(aggression > 0 && { aggression: { defaultValue: aggression, runtimeKey: 'warmup.aggression' } }),
  };
}

/** All of them know rings, by the older word: Node's client refuses sizes in a list (1.14.1). */
export function grpcBalancing(
  policy: LoadBalancerPolicy | undefined,
): Balancing | Pick<ClusterInit, 'loadBalancingPolicy'> {
  // None of them knows Maglev: on a ring equal requests go to equal endpoints too.
  if (policy?.consistentHash !== undefined) return ring(policy.consistentHash);
  const roundRobin = policyOf('round_robin', RoundRobinSchema, {});
  const wanted: Readonly<Record<SimpleLoadBalancer, readonly Policy[]>> = {
    ROUND_ROBIN: [],
    RANDOM: [policyOf('random', RandomSchema, {})],
    LEAST_REQUEST: [policyOf('least_request', LeastRequestSchema, {})],
    PASSTHROUGH: [],
  };
  const endpointPickingPolicy = { policies: [...wanted[policy?.simple ?? 'LEAST_REQUEST'], roundRobin] };
  const byLocality = policyOf('wrr_locality', WrrLocalitySchema, { endpointPickingPolicy });
  return { loadBalancingPolicy: { policies: [byLocality] } };
}

function policyOf<Desc extends DescMessage>(name: string, schema: Desc, init: Init<Desc>): Policy {
  const typedConfig = pack(schema, init);
  return { typedExtensionConfig: { name: `envoy.load_balancing_policies.${name}`, typedConfig } };
}
