/**
 * Endpoints by the places they are at, as one caller prefers them: shares of places, or one place after the other when
 * nothing there is healthy (`localityLbSetting`; Istio's rules).
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  covers,
  type Distribution,
  type LocalitySetting,
  type RegionFailover,
} from '#model/locality-setting.ts';
import type { Labels } from '#model/metadata.ts';
import { regionLabel, subZoneLabel, zoneLabel } from '#model/node.ts';
import type { HostTrafficPolicy } from '#model/traffic-policy.ts';
import type { LocalitySchema } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type {
  LbEndpointSchema,
  LocalityLbEndpointsSchema,
} from '#xds/gen/envoy/config/endpoint/v3/endpoint_components_pb.js';
import type { Init } from './message.ts';

export type LocalityEndpoints = Init<typeof LocalityLbEndpointsSchema>;

export interface PlacedEndpoint {
  /** `REGION/ZONE/SUBZONE`, as far as it is known. */
  readonly locality: string;
  readonly labels: Labels;
  readonly weight: number;
  readonly endpoint: MessageInitShape<typeof LbEndpointSchema>;
}

/** Who calls. */
export interface CallerPlace {
  readonly locality: string;
  readonly labels: Labels;
}

/** What callers know of the health of endpoints, besides what EDS tells them. */
export interface Preference {
  readonly setting: LocalitySetting | undefined;
  /** Whether there is a way to find out that an endpoint is ill; else all are used alike (Istio). */
  readonly failsOver: boolean;
}

export function preferenceOf(policy: HostTrafficPolicy, isChecked: boolean): Preference {
  return {
    setting: policy.loadBalancer?.localityLbSetting,
    failsOver: isChecked || policy.outlierDetection !== undefined,
  };
}

/** Whether it matters where the caller is, and what its labels are. */
export function dependsOnPlace({ setting, failsOver }: Preference): boolean {
  return setting?.enabled !== false && (failsOver || (setting?.distribute.length ?? 0) > 0);
}

/** What the field holds. */
const MAX_WEIGHT = 2 ** 32 - 1;

export function placeEndpoints(
  endpoints: readonly PlacedEndpoint[],
  preference: Preference,
  caller: CallerPlace,
): LocalityEndpoints[] {
  const { setting, failsOver } = preference;
  if (!dependsOnPlace(preference)) return [...groups(endpoints)].map(localityEndpoints);
  const { distribute = [], failover = [], failoverPriority = [] } = setting ?? {};
  if (distribute.length > 0) return distributed(endpoints, distribute, caller);
  if (!failsOver) return [...groups(endpoints)].map(localityEndpoints);
  const rankOf = (one: PlacedEndpoint): number => {
    const byLabels = failoverPriority.length > 0 ? labelRank(one, failoverPriority, caller) : 0;
    const byPlace =
      failoverPriority.length === 0 || failover.length > 0
        ? placeRank(one.locality, failover, caller.locality)
        : 0;
    return byLabels * PLACE_RANKS + byPlace;
  };
  return prioritized(endpoints, rankOf);
}

function prioritized(
  endpoints: readonly PlacedEndpoint[],
  rankOf: (one: PlacedEndpoint) => number,
): LocalityEndpoints[] {
  const byRank = [...Map.groupBy(endpoints, rankOf)].sort(([a], [b]) => a - b);
  // Priorities are without gaps.
  return byRank.flatMap(([, ofRank], priority) =>
    [...groups(ofRank)].map((group) => ({
      ...localityEndpoints(group),
      ...(priority > 0 && { priority }),
    })),
  );
}

/** The same place, the same zone, the same region, another that is next to it, and any other. */
const PLACE_RANKS = 5;

function placeRank(locality: string, failover: readonly RegionFailover[], own: string): number {
  const [region = '', zone = '', subZone = ''] = locality.split('/');
  const [ownRegion = '', ownZone = '', ownSubZone = ''] = own.split('/');
  if (region === ownRegion) {
    if (zone !== ownZone) return 2;
    return subZone === ownSubZone ? 0 : 1;
  }
  const next = failover.find(({ from }) => from === ownRegion);
  return next !== undefined && next.to !== region ? 4 : 3;
}

/** The first label that the two have not in common says how far behind it is. */
function labelRank(
  endpoint: PlacedEndpoint,
  failoverPriority: readonly string[],
  caller: CallerPlace,
): number {
  const [theirs, own] = [topologyOf(endpoint), topologyOf(caller)];
  const first = failoverPriority.findIndex((written) => {
    const [label = '', wanted = own[label]] = written.split('=');
    return theirs[label] !== wanted;
  });
  return first < 0 ? 0 : failoverPriority.length - first;
}

/** Labels, with those that say the place. */
export function topologyOf({ locality, labels }: CallerPlace): Labels {
  const [region, zone, subZone] = locality.split('/');
  return {
    ...labels,
    ...(region && { [regionLabel]: region }),
    ...(zone && { [zoneLabel]: zone }),
    ...(subZone && { [subZoneLabel]: subZone }),
  };
}

/** What is said of no place gets nothing. A place that is said of shares with others of the same line, by weight. */
function distributed(
  endpoints: readonly PlacedEndpoint[],
  distribute: readonly Distribution[],
  caller: CallerPlace,
): LocalityEndpoints[] {
  const all = [...groups(endpoints)].map(localityEndpoints);
  const shares = distribute.find(({ from }) => covers(from, caller.locality))?.to;
  if (shares === undefined) return all;
  const byPattern = Map.groupBy([...groups(endpoints)], ([locality]) =>
    Object.keys(shares).find((pattern) => covers(pattern, locality)),
  );
  return [...byPattern].flatMap(([pattern, found]) => {
    if (pattern === undefined) return [];
    const share = shares[pattern] ?? 0;
    const total = found.reduce((sum, [, ofPlace]) => sum + weightOf(ofPlace), 0);
    return found.map(([locality, ofPlace]) => ({
      ...localityEndpoints([locality, ofPlace]),
      loadBalancingWeight: Math.ceil((weightOf(ofPlace) * share) / total),
    }));
  });
}

type Group = readonly [locality: string, endpoints: readonly PlacedEndpoint[]];

function groups(endpoints: readonly PlacedEndpoint[]): ReadonlyMap<string, readonly PlacedEndpoint[]> {
  return Map.groupBy(endpoints, ({ locality }) => locality);
}

function weightOf(endpoints: readonly PlacedEndpoint[]): number {
  return Math.min(
    endpoints.reduce((sum, { weight }) => sum + weight, 0),
    MAX_WEIGHT,
  );
}

function localityEndpoints([written, endpoints]: Group): LocalityEndpoints {
  return {
    locality: localityOf(written),
    lbEndpoints: endpoints.map(({ endpoint }) => endpoint),
    // gRPC ignores a locality without weight.
    loadBalancingWeight: weightOf(endpoints),
  };
}

function localityOf(written: string): Init<typeof LocalitySchema> {
  const [region = '', zone = '', subZone = ''] = written.split('/');
  return { region, zone, subZone };
}
