/**
 * What a bootstrap says beside its resources: admin address, where dynamic resources come from,
 * intervals. Fields the messages have and the proxy cannot honour are problems here.
 */

import type { Duration } from '@bufbuild/protobuf/wkt';
import type { Parsed, Problem } from '#core/problem.ts';
import type { StatsView } from '#observe/stats-view.ts';
import type { Admin, Bootstrap } from '#xds/gen/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { Cluster_DiscoveryType } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { Address, BindConfig } from '#xds/gen/envoy/config/core/v3/address_pb.js';
import type { ConfigSource } from '#xds/gen/envoy/config/core/v3/config_source_pb.js';
import {
  type FileAccessLog,
  FileAccessLogSchema,
} from '#xds/gen/envoy/extensions/access_loggers/file/v3/file_pb.js';
import { InternalListenerSchema } from '#xds/gen/envoy/extensions/bootstrap/internal_listener/v3/internal_listener_pb.js';
import { typeUrlOf, unpackAny } from '#xds/registry.ts';
import type { Home } from '../data-path-deps.ts';
import { Findings } from '../findings.ts';
import { type OverloadSettings, readOverload } from '../overload/settings.ts';
import { readUpstreamBinding } from '../pool/upstream-binding.ts';
import { type ResourceSource, readSource, readStream, type StreamSource } from '../resource-source.ts';
import { layersOfServers, type RuntimeLayerSettings, readRuntimeLayers } from '../runtime/settings.ts';
import { readStatsView } from './stats-settings.ts';

/** Where the admin interface listens. */
export type AdminAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'pipe'; readonly path: string };

export interface BootstrapSettings {
  readonly admin: AdminAddress | undefined;
  /** Files the admin interface logs its requests to. */
  readonly adminLogPaths: readonly string[];
  readonly ads: StreamSource | undefined;
  /** Where they come from. */
  readonly listeners: ResourceSource | undefined;
  readonly clusters: ResourceSource | undefined;
  readonly initialFetchTimeoutMs: number;
  readonly statsFlushIntervalMs: number;
  /** Absent: the default. */
  readonly overload: OverloadSettings | undefined;
  readonly runtimeLayers: readonly RuntimeLayerSettings[];
  readonly statsView: StatsView;
  /** Where ejections are told of; undefined: nowhere. */
  readonly outlierLogPath: string | undefined;
  /** Of clusters that say nothing themselves. */
  readonly upstreamBindConfig: BindConfig | undefined;
}

/** Envoy's defaults. */
const INITIAL_FETCH_TIMEOUT_MS = 15_000;
const STATS_FLUSH_INTERVAL_MS = 5000;

export function bootstrapSettings(bootstrap: Bootstrap): Parsed<BootstrapSettings> {
  const problems: Problem[] = [];
  const report = (path: string, message: string, level: Problem['level'] = 'error'): void => {
    problems.push({ level, path, message });
  };
  const dynamic = bootstrap.dynamicResources;
  const findings = new Findings();
  const [adsPath, ldsPath, cdsPath] = (['ads', 'lds', 'cds'] as const).map(
    (name) => `dynamic_resources.${name}_config`,
  ) as [string, string, string];
  const ads = dynamic?.adsConfig && readStream(dynamic.adsConfig, adsPath, findings);
  const hasAds = dynamic?.adsConfig !== undefined;
  const listeners = listSource(dynamic?.ldsConfig, ldsPath, hasAds, findings);
  const clusters = listSource(dynamic?.cdsConfig, cdsPath, hasAds, findings);
  problems.push(...findings.problems);
  const known = (bootstrap.staticResources?.clusters ?? []).map(({ name }) => name);
  const ownStream = (source: ResourceSource | undefined): StreamSource | undefined =>
    source?.kind === 'stream' ? source.stream : undefined;
  const streams: [path: string, stream: StreamSource | undefined][] = [
    [adsPath, ads],
    [`${ldsPath}.api_config_source`, ownStream(listeners)],
    [`${cdsPath}.api_config_source`, ownStream(clusters)],
  ];
  const runtimeLayers = readRuntimeLayers(bootstrap, report);
  for (const { path, source } of layersOfServers(runtimeLayers)) {
    streams.push([`${path}.api_config_source`, ownStream(source)]);
    if (source.kind === 'ads' && !hasAds)
      report(path, 'asks for ads, but dynamic_resources.ads_config is missing');
  }
  checkStreams(streams, bootstrap, report);
  refuseUnsupported(bootstrap, known, report);
  const overload = readOverloadManager(bootstrap, problems);
  const settings: BootstrapSettings = {
    admin: adminAddress(bootstrap.admin?.address, report),
    adminLogPaths: adminLogPaths(bootstrap.admin, report),
    ads,
    listeners,
    clusters,
    initialFetchTimeoutMs: initialFetchTimeoutMs(dynamic?.ldsConfig, dynamic?.cdsConfig),
    statsFlushIntervalMs: milliseconds(bootstrap.statsFlushInterval) ?? STATS_FLUSH_INTERVAL_MS,
    overload,
    runtimeLayers,
    statsView: readStatsView(bootstrap, report),
    upstreamBindConfig: bootstrap.clusterManager?.upstreamBindConfig,
    outlierLogPath: bootstrap.clusterManager?.outlierDetection?.eventLogPath || undefined,
  };
  if (problems.some(({ level }) => level === 'error')) return { ok: false, problems };
  return { ok: true, value: settings, problems };
}

/** What the overload manager watches; undefined where there is none. */
function readOverloadManager(
  { overloadManager }: Bootstrap,
  problems: Problem[],
): OverloadSettings | undefined {
  if (overloadManager === undefined) return undefined;
  const findings = new Findings();
  const settings = readOverload(overloadManager, 'overload_manager', findings);
  problems.push(...findings.problems);
  return settings;
}

export type Report = (path: string, message: string, level?: Problem['level']) => void;

/** Where listeners or clusters come from. */
function listSource(
  source: ConfigSource | undefined,
  path: string,
  hasAds: boolean,
  findings: Findings,
): ResourceSource | undefined {
  const from = source && readSource(source, path, findings);
  if (from?.kind === 'ads' && !hasAds)
    findings.error(path, 'asks for ads, but dynamic_resources.ads_config is missing');
  return from;
}

/** Envoy: a stream is there before any cluster that it tells of. */
function checkStreams(
  sources: readonly (readonly [path: string, stream: StreamSource | undefined])[],
  bootstrap: Bootstrap,
  report: Report,
): void {
  const streams = sources.filter(([, stream]) => stream !== undefined);
  const carriers = streamCarriers(bootstrap);
  for (const [path, stream] of streams) {
    for (const { cluster } of stream?.services ?? []) {
      if (!carriers.has(cluster))
        report(`${path}.grpc_services`, `no static cluster is named "${cluster}", or it is of type EDS`);
    }
  }
  if (streams.length > 0 && (bootstrap.node?.id ?? '') === '') {
    report('node.id', 'is needed to ask a management server: set it here or with --service-node');
  }
}

/** Names of clusters of the bootstrap that are there from the start. */
export function streamCarriers({ staticResources }: Bootstrap): ReadonlySet<string> {
  const carriers = (staticResources?.clusters ?? []).filter(
    ({ clusterDiscoveryType: type }) => type.case !== 'type' || type.value !== Cluster_DiscoveryType.EDS,
  );
  return new Set(carriers.map(({ name }) => name));
}

function adminAddress(address: Address | undefined, report: Report): AdminAddress | undefined {
  const specifier = address?.address;
  switch (specifier?.case) {
    case undefined:
      return undefined;
    case 'socketAddress': {
      const { address: host, portSpecifier } = specifier.value;
      if (portSpecifier.case === 'namedPort') {
        report('admin.address.socket_address.named_port', 'is not supported');
      }
      return { kind: 'tcp', host, port: Number(portSpecifier.value ?? 0) };
    }
    case 'pipe':
      return { kind: 'pipe', path: specifier.value.path };
    default:
      report('admin.address', 'must be a socket_address or a pipe');
      return undefined;
  }
}

function adminLogPaths(admin: Admin | undefined, report: Report): string[] {
  const paths = admin?.accessLogPath ? [admin.accessLogPath] : [];
  admin?.accessLog.forEach(({ configType }, i) => {
    const at = `admin.access_log[${i}].typed_config`;
    const unpacked = configType.case === 'typedConfig' ? unpackAny(configType.value) : undefined;
    if (unpacked === undefined || !unpacked.ok || unpacked.schema.typeName !== FileAccessLogSchema.typeName) {
      report(at, `must be a ${typeUrlOf(FileAccessLogSchema)}`);
      return;
    }
    const log = unpacked.message as FileAccessLog;
    if (log.accessLogFormat.case !== undefined)
      report(at, 'a format is not supported for the admin interface');
    paths.push(log.path);
  });
  return paths;
}

function refuseUnsupported(bootstrap: Bootstrap, clusters: readonly string[], report: Report): void {
  const { clusterManager, admin, applicationLogConfig } = bootstrap;
  if (applicationLogConfig?.logFormat !== undefined) {
    report('application_log_config.log_format', 'is not supported: use --log-format text|json');
  }
  const findings = new Findings();
  // Whether this system has the calls it needs is asked where a cluster takes it.
  const calls = { openSocket: () => -1 };
  readUpstreamBinding(
    clusterManager?.upstreamBindConfig,
    'cluster_manager.upstream_bind_config',
    calls,
    findings,
  );
  for (const { path, message, level } of findings.problems) report(path ?? '', message, level);
  const local = clusterManager?.localClusterName ?? '';
  if (local !== '' && !clusters.includes(local)) {
    report('cluster_manager.local_cluster_name', `no static cluster is named "${local}"`);
  }
  if (admin !== undefined && admin.profilePath !== '') {
    report('admin.profile_path', 'has no effect: there is no profiler', 'warning');
  }
  bootstrap.bootstrapExtensions.forEach(({ typedConfig }, i) => {
    const unpacked = typedConfig && unpackAny(typedConfig);
    if (unpacked?.ok !== true || unpacked.schema.typeName !== InternalListenerSchema.typeName) {
      report(`bootstrap_extensions[${i}].typed_config`, `must be a ${typeUrlOf(InternalListenerSchema)}`);
    }
  });
}

function initialFetchTimeoutMs(...sources: readonly (ConfigSource | undefined)[]): number {
  const given = sources.flatMap((source) => milliseconds(source?.initialFetchTimeout) ?? []);
  if (given.length === 0) return INITIAL_FETCH_TIMEOUT_MS;
  // 0 is without end.
  return given.includes(0) ? 0 : Math.max(...given);
}

function milliseconds(duration: Duration | undefined): number | undefined {
  return duration && Number(duration.seconds) * 1000 + duration.nanos / 1e6;
}

/** Where this proxy is, and the cluster that it is an endpoint of. */
export function homeOf({ node, clusterManager }: Bootstrap): Home {
  const cluster = clusterManager?.localClusterName ?? '';
  const { locality } = node ?? {};
  if (locality === undefined) return { cluster };
  const { region, zone, subZone } = locality;
  return { cluster, locality: { region, zone, subZone } };
}
