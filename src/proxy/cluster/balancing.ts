/** Which balancing policy a cluster asks for: `lb_policy`, or the first supported of `load_balancing_policy`. */
import type { Any } from '@bufbuild/protobuf/wkt';
import {
  type Cluster,
  Cluster_LbPolicy as Lb,
  type LoadBalancingPolicy,
} from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterProvidedSchema } from '#xds/gen/envoy/extensions/load_balancing_policies/cluster_provided/v3/cluster_provided_pb.js';
import type { LocalityLbConfig } from '#xds/gen/envoy/extensions/load_balancing_policies/common/v3/common_pb.js';
import { LeastRequestSchema } from '#xds/gen/envoy/extensions/load_balancing_policies/least_request/v3/least_request_pb.js';
import { MaglevSchema } from '#xds/gen/envoy/extensions/load_balancing_policies/maglev/v3/maglev_pb.js';
import { RandomSchema } from '#xds/gen/envoy/extensions/load_balancing_policies/random/v3/random_pb.js';
import { RingHashSchema } from '#xds/gen/envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash_pb.js';
import { RoundRobinSchema } from '#xds/gen/envoy/extensions/load_balancing_policies/round_robin/v3/round_robin_pb.js';
import { WrrLocalitySchema } from '#xds/gen/envoy/extensions/load_balancing_policies/wrr_locality/v3/wrr_locality_pb.js';
import type { PolicyDefinition } from '../balance/contract.ts';
import { leastRequest, random, roundRobin } from '../balance/policies.ts';
import { type Findings, typeNameOf } from '../findings.ts';
import { compileHashPolicy, type RequestHash } from '../route/hash-policy.ts';
import { readLegacyMaglev, readLegacyRingHash, readMaglev, readRingHash } from './hashing-settings.ts';

export interface Balancing {
  readonly policy: PolicyDefinition;
  readonly choiceCount: number;
  readonly activeRequestBias: number;
  /** Whether the weights of localities count. */
  readonly localityWeighted: boolean;
  /** Whether nothing is chosen where too few endpoints are available. */
  readonly failsInPanic: boolean;
  /** Takes the place of the route's hash policy. */
  readonly hashPolicy: RequestHash | undefined;
}

/** Envoy's defaults for least request. */
const CHOICE_COUNT = 2;
const ACTIVE_REQUEST_BIAS = 1;

const plain = (policy: PolicyDefinition, more: Partial<Balancing> = {}): Balancing => ({
  policy,
  choiceCount: CHOICE_COUNT,
  activeRequestBias: ACTIVE_REQUEST_BIAS,
  localityWeighted: false,
  failsInPanic: false,
  hashPolicy: undefined,
  ...more,
});

export function readBalancing(cluster: Cluster, findings: Findings): Balancing {
  const common = cluster.commonLbConfig;
  const locality = common?.localityConfigSpecifier;
  if (cluster.loadBalancingPolicy !== undefined) {
    return readPolicyList(cluster.loadBalancingPolicy, 'load_balancing_policy', findings);
  }
  return { ...readLegacy(cluster, findings), ...ofLocalities(locality, 'common_lb_config', findings) };
}

function readLegacy(cluster: Cluster, findings: Findings): Balancing {
  const { lbConfig } = cluster;
  switch (cluster.lbPolicy) {
    case Lb.ROUND_ROBIN:
      findings.refuse(
        'round_robin_lb_config.slow_start_config',
        lbConfig.case === 'roundRobinLbConfig' && lbConfig.value.slowStartConfig !== undefined,
      );
      return plain(roundRobin);
    case Lb.LEAST_REQUEST: {
      if (lbConfig.case !== 'leastRequestLbConfig') return plain(leastRequest);
      findings.refuse(
        'least_request_lb_config.slow_start_config',
        lbConfig.value.slowStartConfig !== undefined,
      );
      return plain(leastRequest, {
        choiceCount: lbConfig.value.choiceCount ?? CHOICE_COUNT,
        activeRequestBias: lbConfig.value.activeRequestBias?.defaultValue ?? ACTIVE_REQUEST_BIAS,
      });
    }
    case Lb.RANDOM:
      return plain(random);
    case Lb.RING_HASH:
      return plain(readLegacyRingHash(cluster, findings));
    case Lb.MAGLEV:
      return plain(readLegacyMaglev(cluster, findings));
    case Lb.CLUSTER_PROVIDED:
      return plain(roundRobin);
    default:
      findings.error('lb_policy', `${Lb[cluster.lbPolicy] ?? cluster.lbPolicy} is not supported`);
      return plain(roundRobin);
  }
}

function readPolicyList(list: LoadBalancingPolicy, path: string, findings: Findings): Balancing {
  for (const [i, policy] of list.policies.entries()) {
    const any = policy.typedExtensionConfig?.typedConfig;
    const found = readPolicy(any, `${path}.policies[${i}].typed_extension_config.typed_config`, findings);
    if (found !== undefined) return found;
  }
  findings.error(`${path}.policies`, 'holds no supported policy');
  return plain(roundRobin);
}

function readPolicy(any: Any | undefined, path: string, findings: Findings): Balancing | undefined {
  switch (typeNameOf(any)) {
    case RoundRobinSchema.typeName: {
      const config = findings.unpack(path, any, RoundRobinSchema);
      findings.refuse(`${path}.slow_start_config`, config?.slowStartConfig !== undefined);
      return plain(
        roundRobin,
        ofLocalities(
          config?.localityLbConfig?.localityConfigSpecifier,
          `${path}.locality_lb_config`,
          findings,
        ),
      );
    }
    case LeastRequestSchema.typeName: {
      const config = findings.unpack(path, any, LeastRequestSchema);
      findings.refuse(`${path}.slow_start_config`, config?.slowStartConfig !== undefined);
      return plain(leastRequest, {
        choiceCount: config?.choiceCount ?? CHOICE_COUNT,
        activeRequestBias: config?.activeRequestBias?.defaultValue ?? ACTIVE_REQUEST_BIAS,
        ...ofLocalities(
          config?.localityLbConfig?.localityConfigSpecifier,
          `${path}.locality_lb_config`,
          findings,
        ),
      });
    }
    case RandomSchema.typeName: {
      const config = findings.unpack(path, any, RandomSchema);
      return plain(
        random,
        ofLocalities(
          config?.localityLbConfig?.localityConfigSpecifier,
          `${path}.locality_lb_config`,
          findings,
        ),
      );
    }
    case RingHashSchema.typeName:
    case MaglevSchema.typeName:
      return readHashing(any, path, findings);
    case ClusterProvidedSchema.typeName:
      return plain(roundRobin);
    case WrrLocalitySchema.typeName: {
      const config = findings.unpack(path, any, WrrLocalitySchema);
      const inner = config?.endpointPickingPolicy;
      return (
        inner && {
          ...readPolicyList(inner, `${path}.endpoint_picking_policy`, findings),
          localityWeighted: true,
        }
      );
    }
    default:
      return undefined;
  }
}

function readHashing(any: Any | undefined, path: string, findings: Findings): Balancing {
  const config =
    typeNameOf(any) === RingHashSchema.typeName
      ? findings.unpack(path, any, RingHashSchema)
      : findings.unpack(path, any, MaglevSchema);
  if (config === undefined) return plain(roundRobin);
  const at = `${path}.consistent_hashing_lb_config.hash_policy`;
  return plain(
    config.$typeName === RingHashSchema.typeName
      ? readRingHash(config, path, findings)
      : readMaglev(config, path, findings),
    {
      localityWeighted: config.localityWeightedLbConfig !== undefined,
      hashPolicy: compileHashPolicy(config.consistentHashingLbConfig?.hashPolicy ?? [], at, findings),
    },
  );
}

/** @param of of a `LocalityLbConfig`, or of what clusters had before those */
function ofLocalities(
  of: Of<LocalityLbConfig> | Of<NonNullable<Cluster['commonLbConfig']>> | undefined,
  path: string,
  findings: Findings,
): Pick<Balancing, 'localityWeighted' | 'failsInPanic'> {
  if (of?.case === 'zoneAwareLbConfig') {
    const at = `${path}.zone_aware_lb_config`;
    const noEffect = 'has no effect: requests go to endpoints of all zones';
    if (of.value.routingEnabled !== undefined) findings.warn(`${at}.routing_enabled`, noEffect);
    if (of.value.minClusterSize !== undefined) findings.warn(`${at}.min_cluster_size`, noEffect);
  }
  return {
    localityWeighted: of?.case === 'localityWeightedLbConfig',
    failsInPanic: of?.case === 'zoneAwareLbConfig' && of.value.failTrafficOnPanic,
  };
}

type Of<Config extends { readonly localityConfigSpecifier: unknown }> = Config['localityConfigSpecifier'];
