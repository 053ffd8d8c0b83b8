/** Which balancing policy a cluster asks for: `lb_policy`, or the first supported of `load_balancing_policy`. */
import type { Any } from '@bufbuild/protobuf/wkt';
import {
  type Cluster,
  type Cluster_LeastRequestLbConfig,
  Cluster_LbPolicy as Lb,
  type LoadBalancingPolicy,
} from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ClientSideWeightedRoundRobinSchema as ClientSideSchema } from '#xds/gen/envoy/extensions/load_balancing_policies/client_side_weighted_round_robin/v3/client_side_weighted_round_robin_pb.js';
import { ClusterProvidedSchema } from '#xds/gen/envoy/extensions/load_balancing_policies/cluster_provided/v3/cluster_provided_pb.js';
import type { LocalityLbConfig } from '#xds/gen/envoy/extensions/load_balancing_policies/common/v3/common_pb.js';
import {
  type LeastRequest,
  LeastRequestSchema,
  LeastRequest_SelectionMethod as Selection,
} from '#xds/gen/envoy/extensions/load_balancing_policies/least_request/v3/least_request_pb.js';
import { MaglevSchema } from '#xds/gen/envoy/extensions/load_balancing_policies/maglev/v3/maglev_pb.js';
import {
  type OverrideHost,
  OverrideHostSchema,
} from '#xds/gen/envoy/extensions/load_balancing_policies/override_host/v3/override_host_pb.js';
import { RandomSchema } from '#xds/gen/envoy/extensions/load_balancing_policies/random/v3/random_pb.js';
import { RingHashSchema } from '#xds/gen/envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash_pb.js';
import { RoundRobinSchema } from '#xds/gen/envoy/extensions/load_balancing_policies/round_robin/v3/round_robin_pb.js';
import {
  type Subset,
  SubsetSchema,
} from '#xds/gen/envoy/extensions/load_balancing_policies/subset/v3/subset_pb.js';
import { WrrLocalitySchema } from '#xds/gen/envoy/extensions/load_balancing_policies/wrr_locality/v3/wrr_locality_pb.js';
import type { PolicyDefinition } from '../balance/contract.ts';
import { leastRequest, random, roundRobin } from '../balance/policies.ts';
import type { SlowStartRules } from '../balance/slow-start.ts';
import { type Findings, typeNameOf } from '../findings.ts';
import { compileHashPolicy, type RequestHash } from '../route/hash-policy.ts';
import { type LoadReportRules, readClientSide } from './client-side-settings.ts';
import { readLegacyMaglev, readLegacyRingHash, readMaglev, readRingHash } from './hashing-settings.ts';
import { type LocalityRules, readFactor, readLocalities, readSlowStart } from './locality-settings.ts';
import type { OverrideRules } from './override-host.ts';
import { readOverrides } from './override-settings.ts';
import { readSubsets, type SubsetRules } from './subset-settings.ts';

export interface Balancing extends LocalityRules {
  readonly policy: PolicyDefinition;
  readonly choiceCount: number;
  readonly activeRequestBias: number;
  /** Least request: all endpoints are compared. */
  readonly fullScan: boolean;
  /** Undefined where endpoints have their whole share at once. */
  readonly slowStart: SlowStartRules | undefined;
  /** Undefined where there are none. */
  readonly subsets: SubsetRules | undefined;
  /** Undefined where requests name no endpoints. */
  readonly overrides: OverrideRules | undefined;
  /** Undefined where weights are those of assignments. */
  readonly loadReports: LoadReportRules | undefined;
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
  fullScan: false,
  slowStart: undefined,
  subsets: undefined,
  overrides: undefined,
  loadReports: undefined,
  localityWeighted: false,
  failsInPanic: false,
  zones: undefined,
  hashPolicy: undefined,
  ...more,
});

export function readBalancing(cluster: Cluster, findings: Findings): Balancing {
  if (cluster.loadBalancingPolicy !== undefined) {
    if (cluster.lbSubsetConfig !== undefined) {
      findings.error(
        'lb_subset_config',
        'does not go with load_balancing_policy, which may hold a subset policy',
      );
    }
    return readPolicyList(cluster.loadBalancingPolicy, 'load_balancing_policy', findings);
  }
  const locality = cluster.commonLbConfig?.localityConfigSpecifier;
  const balancing = {
    ...readLegacy(cluster, findings),
    ...readLocalities(locality, 'common_lb_config', findings),
  };
  const { lbSubsetConfig } = cluster;
  if (lbSubsetConfig === undefined) return balancing;
  const subsets = readSubsets(lbSubsetConfig, 'lb_subset_config', findings);
  if (subsets.selectors.length === 0) return balancing;
  if (cluster.lbPolicy === Lb.CLUSTER_PROVIDED) {
    findings.error('lb_subset_config', 'does not go with lb_policy CLUSTER_PROVIDED');
  }
  if (subsets.localityWeighted && !balancing.localityWeighted) {
    findings.error(
      'lb_subset_config.locality_weight_aware',
      'needs common_lb_config.locality_weighted_lb_config',
    );
  }
  return { ...balancing, subsets };
}

function readLegacy(cluster: Cluster, findings: Findings): Balancing {
  const { lbConfig } = cluster;
  switch (cluster.lbPolicy) {
    case Lb.ROUND_ROBIN: {
      const config = lbConfig.case === 'roundRobinLbConfig' ? lbConfig.value : undefined;
      const at = 'round_robin_lb_config.slow_start_config';
      return plain(roundRobin, { slowStart: readSlowStart(config?.slowStartConfig, at, findings) });
    }
    case Lb.LEAST_REQUEST: {
      const config = lbConfig.case === 'leastRequestLbConfig' ? lbConfig.value : undefined;
      return readLeastRequest(config, 'least_request_lb_config', findings);
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

function readLeastRequest(
  config: LeastRequest | Cluster_LeastRequestLbConfig | undefined,
  path: string,
  findings: Findings,
): Balancing {
  const choiceCount = config?.choiceCount ?? CHOICE_COUNT;
  if (choiceCount < CHOICE_COUNT) findings.error(`${path}.choice_count`, `must be at least ${CHOICE_COUNT}`);
  return plain(leastRequest, {
    choiceCount,
    activeRequestBias: readFactor(
      config?.activeRequestBias?.defaultValue,
      false,
      `${path}.active_request_bias`,
      findings,
    ),
    slowStart: readSlowStart(config?.slowStartConfig, `${path}.slow_start_config`, findings),
  });
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
  const localitiesOf = (
    config: { readonly localityLbConfig?: LocalityLbConfig | undefined } | undefined,
  ): LocalityRules =>
    readLocalities(config?.localityLbConfig?.localityConfigSpecifier, `${path}.locality_lb_config`, findings);
  switch (typeNameOf(any)) {
    case RoundRobinSchema.typeName: {
      const config = findings.unpack(path, any, RoundRobinSchema);
      const slowStart = readSlowStart(config?.slowStartConfig, `${path}.slow_start_config`, findings);
      return plain(roundRobin, { slowStart, ...localitiesOf(config) });
    }
    case LeastRequestSchema.typeName: {
      const config = findings.unpack(path, any, LeastRequestSchema);
      if (config?.enableFullScan !== undefined) {
        findings.warn(`${path}.enable_full_scan`, 'has no effect: say selection_method FULL_SCAN');
      }
      return {
        ...readLeastRequest(config, path, findings),
        fullScan: config?.selectionMethod === Selection.FULL_SCAN,
        ...localitiesOf(config),
      };
    }
    case RandomSchema.typeName:
      return plain(random, localitiesOf(findings.unpack(path, any, RandomSchema)));
    case ClientSideSchema.typeName: {
      const config = findings.unpack(path, any, ClientSideSchema);
      return config && plain(roundRobin, readClientSide(config, path, findings));
    }
    case SubsetSchema.typeName: {
      const config = findings.unpack(path, any, SubsetSchema);
      return config && readSubsetPolicy(config, path, findings);
    }
    case OverrideHostSchema.typeName: {
      const config = findings.unpack(path, any, OverrideHostSchema);
      return config && readOverridePolicy(config, path, findings);
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

function readSubsetPolicy(config: Subset, path: string, findings: Findings): Balancing {
  const at = `${path}.subset_lb_policy`;
  if (config.subsetLbPolicy === undefined) {
    findings.error(at, 'is missing');
    return plain(roundRobin);
  }
  const inner = readPolicyList(config.subsetLbPolicy, at, findings);
  if (inner.subsets !== undefined) findings.error(at, 'is not supported: subsets within subsets');
  if (inner.overrides !== undefined) {
    findings.error(at, 'is not supported: override_host within subsets (subsets as its fallback_policy are)');
  }
  return { ...inner, subsets: readSubsets(config, path, findings) };
}

function readOverridePolicy(config: OverrideHost, path: string, findings: Findings): Balancing {
  const overrides = readOverrides(config, path, findings);
  const at = `${path}.fallback_policy`;
  if (config.fallbackPolicy === undefined) {
    findings.error(at, 'is missing');
    return plain(roundRobin);
  }
  const inner = readPolicyList(config.fallbackPolicy, at, findings);
  if (inner.overrides !== undefined) findings.error(at, 'must not be override_host again');
  return { ...inner, overrides };
}
