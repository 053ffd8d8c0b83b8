/** A `Cluster` message, read once: what it says, and what in it cannot be had. */
import type { Cluster } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { Metadata } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type { DataPathDeps } from '../data-path-deps.ts';
import type { CacheSettings } from '../dns/cache-settings.ts';
import type { Findings } from '../findings.ts';
import type { PoolSettings } from '../pool/settings.ts';
import { readWanted, type Wanted } from '../resource-source.ts';
import type { MirrorPolicy } from '../route/mirror-policy.ts';
import { noRuntime } from '../runtime/values.ts';
import { readUpstreamTransport, type UpstreamTransport } from '../tls/upstream.ts';
import { type Balancing, readBalancing } from './balancing.ts';
import { type CheckSettings, readHealthChecks } from './check/settings.ts';
import { type CircuitSettings, readCircuit } from './circuit-settings.ts';
import { type DnsSettings, readDns } from './dns-settings.ts';
import { type ClusterKind, readKind } from './kind.ts';
import { readOriginalDestination } from './original-destination-settings.ts';
import type { OriginalDestinationSettings } from './original-destinations.ts';
import { type OutlierSettings, readOutlierDetection } from './outlier/settings.ts';
import { flatSettings } from './packed-settings.ts';
import { readMirrors, readPool } from './protocol-options.ts';
import { type RequestPolicies, readRequestPolicies } from './request-policies.ts';
import { sharedSettings } from './shared-settings.ts';
import { refuseUnsupported } from './unsupported.ts';

export interface TransportMatch {
  readonly name: string;
  /** All of these must stand in the endpoint's `envoy.transport_socket_match` metadata. */
  readonly criteria: Readonly<Record<string, unknown>>;
  readonly transport: UpstreamTransport;
}

export interface ClusterSettings extends Balancing {
  readonly name: string;
  /** Shown in figures and logs in place of the name. */
  readonly shownName: string;
  readonly kind: ClusterKind;
  /** Names of the clusters that an aggregate has. */
  readonly children: readonly string[] | undefined;
  /** The names that a dynamic forward proxy knows. */
  readonly cache: CacheSettings | undefined;
  /** Of an ORIGINAL_DST cluster. */
  readonly originalDestination: OriginalDestinationSettings | undefined;
  /** Its load assignment in EDS. */
  readonly assignment: Wanted;
  readonly metadata: Metadata | undefined;
  readonly pool: PoolSettings;
  readonly policies: RequestPolicies;
  /** Who gets copies of its requests, whatever routes say; empty: as they say. */
  readonly mirrors: readonly MirrorPolicy[];
  readonly circuit: CircuitSettings;
  readonly outlier: OutlierSettings | undefined;
  readonly checks: CheckSettings | undefined;
  /** Whether new endpoints do not count before their first check. */
  readonly ignoresNew: boolean;
  /** Whether endpoints go with their assignment, however well they are. */
  readonly dropsHealthy: boolean;
  /** Whether all connections are renewed when endpoints come or go. */
  readonly renewsOnChange: boolean;
  /** Whether connections without HTTP end with the health of their endpoint. */
  readonly closesUnhealthy: boolean;
  /** Whole percents: where fewer endpoints are available all of them are used. */
  readonly panicPercent: number;
  readonly transport: UpstreamTransport;
  readonly transportMatches: readonly TransportMatch[];
  readonly dns: DnsSettings;
  readonly bufferLimitBytes: number;
  readonly secrets: readonly Wanted[];
}

/** Envoy's defaults. */
const PANIC_PERCENT = 50;
const BUFFER_LIMIT_BYTES = 1024 * 1024;

function readEndpointSource({ name, altStatName, edsClusterConfig }: Cluster, findings: Findings): Wanted {
  const service = edsClusterConfig?.serviceName ?? '';
  // One text, where both are called the same, as most of thousands are.
  const asked = service === '' || service === name ? name : service;
  const path = 'eds_cluster_config.eds_config';
  const { key, source, timeoutMs } = readWanted(asked, edsClusterConfig?.edsConfig, path, findings);
  return { name: asked, key, source, path, timeoutMs, countedBy: altStatName || name };
}

export function readCluster(cluster: Cluster, deps: DataPathDeps, findings: Findings): ClusterSettings {
  const secrets: Wanted[] = [];
  if (cluster.name === '') findings.error('name', 'is missing');
  refuseUnsupported(cluster, findings);
  const { kind, children, cache, dnsCluster } = readKind(cluster, findings);
  const balancing = readBalancing(cluster, findings);
  if (kind === 'dynamic-forward-proxy' || kind === 'original-dst') {
    const why = 'has no effect: each request names its endpoint, and there is no other';
    if (cluster.outlierDetection !== undefined) findings.warn('outlier_detection', why);
    if (cluster.healthChecks.length > 0) findings.warn('health_checks', why);
  }
  return flatSettings({
    name: cluster.name,
    shownName: cluster.altStatName || cluster.name,
    kind,
    children,
    cache,
    originalDestination: kind === 'original-dst' ? readOriginalDestination(cluster, findings) : undefined,
    assignment: readEndpointSource(cluster, findings),
    metadata: cluster.metadata,
    pool: readPool(cluster, deps, findings),
    policies: readRequestPolicies(cluster, findings),
    mirrors: readMirrors(cluster, deps.runtime ?? noRuntime, findings),
    circuit: sharedSettings(readCircuit(cluster.circuitBreakers, findings)),
    checks: readHealthChecks(cluster.healthChecks, findings),
    // Endpoints of static clusters are not new at any time.
    ignoresNew: kind !== 'static' && cluster.commonLbConfig?.ignoreNewHostsUntilFirstHc === true,
    dropsHealthy: cluster.ignoreHealthOnHostRemoval,
    outlier: readOutlierDetection(cluster.outlierDetection, findings),
    renewsOnChange: cluster.commonLbConfig?.closeConnectionsOnHostSetChange === true,
    closesUnhealthy: cluster.closeConnectionsOnHostHealthFailure,
    ...balancing,
    panicPercent: Math.round(cluster.commonLbConfig?.healthyPanicThreshold?.value ?? PANIC_PERCENT),
    transport: readUpstreamTransport(cluster.transportSocket, 'transport_socket', deps, findings, secrets),
    transportMatches: readMatches(cluster, deps, findings, secrets),
    dns: sharedSettings(readDns(cluster, dnsCluster, findings)),
    bufferLimitBytes: cluster.perConnectionBufferLimitBytes ?? BUFFER_LIMIT_BYTES,
    secrets: sharedSettings(secrets),
  });
}

const noMatches: readonly TransportMatch[] = [];

function readMatches(
  { transportSocketMatches: matches }: Cluster,
  deps: DataPathDeps,
  findings: Findings,
  secrets: Wanted[],
): readonly TransportMatch[] {
  if (matches.length === 0) return noMatches;
  return matches.map(({ name, match, transportSocket }, i) => ({
    name,
    criteria: sharedSettings((match ?? {}) as Record<string, unknown>),
    transport: readUpstreamTransport(
      transportSocket,
      `transport_socket_matches[${i}].transport_socket`,
      deps,
      findings,
      secrets,
    ),
  }));
}

/** Whether all threads have to know the same of its endpoints. */
export function sharesHosts({ outlierDetection, healthChecks, circuitBreakers }: Cluster): boolean {
  const limited = (circuitBreakers?.perHostThresholds.length ?? 0) > 0;
  return outlierDetection !== undefined || healthChecks.length > 0 || limited;
}
