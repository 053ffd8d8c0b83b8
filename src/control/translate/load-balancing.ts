/**
 * Balancing for gRPC clients as a list of which each takes the first it knows, so that none refuses
 * the cluster: they accept no `lb_policy` but round robin (gRFC A27, A52).
 */
import type { DescMessage } from '@bufbuild/protobuf';
import type { SimpleLoadBalancer } from '#model/traffic-policy.ts';
import type { LoadBalancingPolicySchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { LeastRequestSchema } from '#xds/gen/envoy/extensions/load_balancing_policies/least_request/v3/least_request_pb.js';
import { RandomSchema } from '#xds/gen/envoy/extensions/load_balancing_policies/random/v3/random_pb.js';
import { RoundRobinSchema } from '#xds/gen/envoy/extensions/load_balancing_policies/round_robin/v3/round_robin_pb.js';
import { WrrLocalitySchema } from '#xds/gen/envoy/extensions/load_balancing_policies/wrr_locality/v3/wrr_locality_pb.js';
import { type Init, pack } from './message.ts';

type Policies = Init<typeof LoadBalancingPolicySchema>;
type Policy = NonNullable<Policies['policies']>[number];

export function grpcPolicies(chosen: SimpleLoadBalancer): Policies {
  const roundRobin = policy('round_robin', RoundRobinSchema, {});
  const wanted: Readonly<Record<SimpleLoadBalancer, readonly Policy[]>> = {
    ROUND_ROBIN: [],
    RANDOM: [policy('random', RandomSchema, {})],
    LEAST_REQUEST: [policy('least_request', LeastRequestSchema, {})],
  };
  const endpointPickingPolicy = { policies: [...wanted[chosen], roundRobin] };
  return { policies: [policy('wrr_locality', WrrLocalitySchema, { endpointPickingPolicy })] };
}

function policy<Desc extends DescMessage>(name: string, schema: Desc, init: Init<Desc>): Policy {
  const typedConfig = pack(schema, init);
  return { typedExtensionConfig: { name: `envoy.load_balancing_policies.${name}`, typedConfig } };
}
