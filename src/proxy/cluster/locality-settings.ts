/** What a cluster says of localities and of new endpoints, alike in its own fields and in the typed policies. */
import type { Cluster, Cluster_SlowStartConfig } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import {
  LocalityLbConfig_ZoneAwareLbConfig_LocalityBasis as Basis,
  type LocalityLbConfig,
  type SlowStartConfig,
} from '#xds/gen/envoy/extensions/load_balancing_policies/common/v3/common_pb.js';
import type { SlowStartRules } from '../balance/slow-start.ts';
import type { Findings } from '../findings.ts';
import type { ZoneRules } from './zone-routing.ts';

export interface LocalityRules {
  /** Whether the weights of localities count. */
  readonly localityWeighted: boolean;
  /** Whether nothing is chosen where too few endpoints are available. */
  readonly failsInPanic: boolean;
  /** Undefined where zones do not matter. */
  readonly zones: ZoneRules | undefined;
}

type Of<Config extends { readonly localityConfigSpecifier: unknown }> = Config['localityConfigSpecifier'];
type Specifier = Of<LocalityLbConfig> | Of<NonNullable<Cluster['commonLbConfig']>> | undefined;

/** Envoy's defaults. */
const ROUTING_ENABLED = 100;
const MIN_CLUSTER_SIZE = 6;
const MIN_WEIGHT_PERCENT = 10;

/** @param of of a `LocalityLbConfig`, or of what clusters had before those */
export function readLocalities(of: Specifier, path: string, findings: Findings): LocalityRules {
  if (of?.case !== 'zoneAwareLbConfig') {
    return {
      localityWeighted: of?.case === 'localityWeightedLbConfig',
      failsInPanic: false,
      zones: undefined,
    };
  }
  const { routingEnabled, minClusterSize, failTrafficOnPanic } = of.value;
  const at = `${path}.zone_aware_lb_config`;
  const percent = readPercent(routingEnabled?.value, ROUTING_ENABLED, `${at}.routing_enabled`, findings);
  return {
    localityWeighted: false,
    failsInPanic: failTrafficOnPanic,
    zones: {
      routingEnabled: Math.round(percent),
      minClusterSize: Number(minClusterSize ?? MIN_CLUSTER_SIZE),
      forceMinSize: forceMinSize(of.value, at, findings),
      byWeight: 'localityBasis' in of.value && of.value.localityBasis === Basis.HEALTHY_HOSTS_WEIGHT,
    },
  };
}

type ZoneConfig = Extract<Specifier, { case: 'zoneAwareLbConfig' }>['value'];

function forceMinSize(config: ZoneConfig, path: string, findings: Findings): number | undefined {
  if (!('forceLocalityDirectRouting' in config)) return undefined;
  if (config.forceLocalZone !== undefined) {
    if (config.forceLocalityDirectRouting) {
      findings.warn(`${path}.force_locality_direct_routing`, 'has no effect beside force_local_zone');
    }
    return config.forceLocalZone.minSize ?? 1;
  }
  return config.forceLocalityDirectRouting ? 1 : undefined;
}

/** Undefined where endpoints have their whole share at once. */
export function readSlowStart(
  config: SlowStartConfig | Cluster_SlowStartConfig | undefined,
  path: string,
  findings: Findings,
): SlowStartRules | undefined {
  if (config === undefined) return undefined;
  const windowMs = findings.durationMs(`${path}.slow_start_window`, config.slowStartWindow) ?? 0;
  const aggression = readFactor(config.aggression?.defaultValue, true, `${path}.aggression`, findings);
  const percent = readPercent(
    config.minWeightPercent?.value,
    MIN_WEIGHT_PERCENT,
    `${path}.min_weight_percent`,
    findings,
  );
  return windowMs === 0 ? undefined : { windowMs: Math.floor(windowMs), aggression, minRatio: percent / 100 };
}

/** @param path of a RuntimeDouble. @returns 1 where there is none that can be used, as in Envoy */
export function readFactor(
  given: number | undefined,
  positive: boolean,
  path: string,
  findings: Findings,
): number {
  if (given === undefined || given > 0 || (given === 0 && !positive)) return given ?? 1;
  findings.warn(`${path}.default_value`, `is ${given}: 1 is used in its place`);
  return 1;
}

function readPercent(given: number | undefined, absent: number, path: string, findings: Findings): number {
  if (given === undefined) return absent;
  if (!(given >= 0 && given <= 100)) findings.error(`${path}.value`, 'must be between 0 and 100');
  return given;
}
