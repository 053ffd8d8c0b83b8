/** Ring hash and Maglev as a cluster asks for them, in the old fields and in the typed configurations. */
import {
  type Cluster,
  Cluster_DiscoveryType as Discovery,
  Cluster_RingHashLbConfig_HashFunction as LegacyFunction,
} from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { ConsistentHashingLbConfig } from '#xds/gen/envoy/extensions/load_balancing_policies/common/v3/common_pb.js';
import type { Maglev } from '#xds/gen/envoy/extensions/load_balancing_policies/maglev/v3/maglev_pb.js';
import {
  RingHash_HashFunction as HashFunction,
  type RingHash,
} from '#xds/gen/envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash_pb.js';
import type { PolicyDefinition } from '../balance/contract.ts';
import { type HashingOptions, maglev, ringHash } from '../balance/hashing.ts';
import { MAGLEV_MAX_TABLE_SIZE, MAGLEV_TABLE_SIZE } from '../balance/maglev.ts';
import { defaultRingOptions, type RingOptions } from '../balance/ring-hash.ts';
import type { Findings } from '../findings.ts';

/** Envoy's limit. */
const MAX_RING_SIZE = 8 * 1024 * 1024;
const MIN_BALANCE_FACTOR = 100;

/** `lb_policy: RING_HASH`. */
export function readLegacyRingHash(cluster: Cluster, findings: Findings): PolicyDefinition {
  const { lbConfig } = cluster;
  const config = lbConfig.case === 'ringHashLbConfig' ? lbConfig.value : undefined;
  const ring = readRing(
    config?.minimumRingSize,
    config?.maximumRingSize,
    config?.hashFunction === LegacyFunction.MURMUR_HASH_2,
    'ring_hash_lb_config',
    findings,
  );
  return ringHash(ring, readLegacyOptions(cluster, findings));
}

/** `lb_policy: MAGLEV`. */
export function readLegacyMaglev(cluster: Cluster, findings: Findings): PolicyDefinition {
  const { lbConfig } = cluster;
  const size = lbConfig.case === 'maglevLbConfig' ? lbConfig.value.tableSize : undefined;
  return maglev(
    readTableSize(size, 'maglev_lb_config.table_size', findings),
    readLegacyOptions(cluster, findings),
  );
}

export function readRingHash(config: RingHash, path: string, findings: Findings): PolicyDefinition {
  const ring = readRing(
    config.minimumRingSize,
    config.maximumRingSize,
    config.hashFunction === HashFunction.MURMUR_HASH_2,
    path,
    findings,
  );
  const common = config.consistentHashingLbConfig;
  if (common !== undefined) return ringHash(ring, readOptions(common, path, findings));
  return ringHash(ring, {
    useHostname: config.useHostnameForHashing,
    balanceFactor: readFactor(config.hashBalanceFactor, `${path}.hash_balance_factor`, findings),
  });
}

export function readMaglev(config: Maglev, path: string, findings: Findings): PolicyDefinition {
  return maglev(
    readTableSize(config.tableSize, `${path}.table_size`, findings),
    readOptions(config.consistentHashingLbConfig, path, findings),
  );
}

function readLegacyOptions(cluster: Cluster, findings: Findings): HashingOptions {
  const config = cluster.commonLbConfig?.consistentHashingLbConfig;
  const path = 'common_lb_config.consistent_hashing_lb_config';
  const { clusterDiscoveryType: type } = cluster;
  if (config?.useHostnameForHashing === true && type.value !== Discovery.STRICT_DNS) {
    findings.error(`${path}.use_hostname_for_hashing`, 'is only for clusters of type STRICT_DNS');
  }
  return {
    useHostname: config?.useHostnameForHashing ?? false,
    balanceFactor: readFactor(config?.hashBalanceFactor, `${path}.hash_balance_factor`, findings),
  };
}

function readOptions(
  config: ConsistentHashingLbConfig | undefined,
  path: string,
  findings: Findings,
): HashingOptions {
  return {
    useHostname: config?.useHostnameForHashing ?? false,
    balanceFactor: readFactor(
      config?.hashBalanceFactor,
      `${path}.consistent_hashing_lb_config.hash_balance_factor`,
      findings,
    ),
  };
}

function readFactor(factor: number | undefined, path: string, findings: Findings): number {
  if (factor === undefined) return 0;
  if (factor < MIN_BALANCE_FACTOR) findings.error(path, `must be at least ${MIN_BALANCE_FACTOR}`);
  return factor;
}

function readRing(
  minimum: bigint | undefined,
  maximum: bigint | undefined,
  murmur: boolean,
  path: string,
  findings: Findings,
): RingOptions {
  const minimumSize = Number(minimum ?? defaultRingOptions.minimumSize);
  const maximumSize = Number(maximum ?? defaultRingOptions.maximumSize);
  for (const [name, size] of [
    ['minimum_ring_size', minimumSize],
    ['maximum_ring_size', maximumSize],
  ] as const) {
    if (size > MAX_RING_SIZE) findings.error(`${path}.${name}`, `must be at most ${MAX_RING_SIZE}`);
  }
  if (minimumSize > maximumSize) {
    findings.error(`${path}.minimum_ring_size`, `is above maximum_ring_size (${maximumSize})`);
  }
  return { minimumSize, maximumSize, hashFunction: murmur ? 'murmur-hash-2' : 'xx-hash' };
}

function readTableSize(given: bigint | undefined, path: string, findings: Findings): number {
  const size = Number(given ?? MAGLEV_TABLE_SIZE);
  if (size > MAGLEV_MAX_TABLE_SIZE) findings.error(path, `must be at most ${MAGLEV_MAX_TABLE_SIZE}`);
  else if (!isPrime(size)) findings.error(path, 'must be a prime number');
  return size;
}

function isPrime(n: number): boolean {
  if (n < 2) return false;
  for (let i = 2; i * i <= n; i++) if (n % i === 0) return false;
  return true;
}
