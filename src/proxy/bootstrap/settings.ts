/**
 * What a bootstrap says beside its resources: admin address, where dynamic resources come from,
 * intervals. Fields the messages have and the proxy cannot honour are problems here.
 */
import type { Duration } from '@bufbuild/protobuf/wkt';
import type { Parsed, Problem } from '#core/problem.ts';
import type { Admin, Bootstrap } from '#xds/gen/envoy/config/bootstrap/v3/bootstrap_pb.js';
import type { Address, BindConfig } from '#xds/gen/envoy/config/core/v3/address_pb.js';
import {
  type ApiConfigSource,
  ApiConfigSource_ApiType,
  ApiVersion,
  type ConfigSource,
} from '#xds/gen/envoy/config/core/v3/config_source_pb.js';
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
import { type ConnectionLimitSettings, readConnectionLimits } from './connection-limits.ts';

/** Where the admin interface listens. */
export type AdminAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'pipe'; readonly path: string };

/** A stream to a management server. */
export interface StreamSource {
  readonly protocol: 'sotw' | 'delta';
  /** Cluster of the bootstrap the stream goes through. */
  readonly cluster: string;
  readonly initialMetadata: readonly (readonly [name: string, value: string])[];
}

/** Where listeners or clusters come from. */
export type ListSource = { readonly kind: 'ads' } | { readonly kind: 'file'; readonly path: string };

export interface BootstrapSettings {
  readonly admin: AdminAddress | undefined;
  /** Files the admin interface logs its requests to. */
  readonly adminLogPaths: readonly string[];
  readonly ads: StreamSource | undefined;
  readonly listeners: ListSource | undefined;
  readonly clusters: ListSource | undefined;
  readonly initialFetchTimeoutMs: number;
  readonly statsFlushIntervalMs: number;
  /** Absent: the default. */
  readonly overload: OverloadSettings | undefined;
  readonly connectionLimits: ConnectionLimitSettings;
  /** Of clusters that say nothing themselves. */
  /** Where ejections are told of; undefined: nowhere. */
  readonly outlierLogPath: string | undefined;
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
  const ads = dynamic?.adsConfig && streamSource(dynamic.adsConfig, 'dynamic_resources.ads_config', report);
  const listeners = listSource(dynamic?.ldsConfig, 'dynamic_resources.lds_config', ads !== undefined, report);
  const clusters = listSource(dynamic?.cdsConfig, 'dynamic_resources.cds_config', ads !== undefined, report);
  const known = (bootstrap.staticResources?.clusters ?? []).map(({ name }) => name);
  if (ads !== undefined && !known.includes(ads.cluster)) {
    report('dynamic_resources.ads_config.grpc_services', `no static cluster is named "${ads.cluster}"`);
  }
  if ((ads !== undefined || listeners?.kind === 'ads') && (bootstrap.node?.id ?? '') === '') {
    report('node.id', 'is needed to ask a management server: set it here or with --service-node');
  }
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
    connectionLimits: readConnectionLimits(bootstrap, overload?.maxConnections, report),
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

/** Reads `api_config_source` for gRPC; anything else is a problem at `path`. */
export function streamSource(
  source: ApiConfigSource,
  path: string,
  report: Report,
): StreamSource | undefined {
  const { GRPC, DELTA_GRPC } = ApiConfigSource_ApiType;
  if (source.apiType !== GRPC && source.apiType !== DELTA_GRPC) {
    report(`${path}.api_type`, 'must be GRPC or DELTA_GRPC');
    return undefined;
  }
  if (source.transportApiVersion !== ApiVersion.V3) report(`${path}.transport_api_version`, 'must be V3');
  if (source.clusterNames.length > 0)
    report(`${path}.cluster_names`, 'belongs to REST: name the cluster in grpc_services');
  if (source.refreshDelay !== undefined) report(`${path}.refresh_delay`, 'belongs to REST');
  if (source.requestTimeout !== undefined) report(`${path}.request_timeout`, 'belongs to REST');
  if (source.rateLimitSettings !== undefined) report(`${path}.rate_limit_settings`, 'is not supported');
  const [service, second] = source.grpcServices;
  if (service === undefined) {
    report(`${path}.grpc_services`, 'needs one service');
    return undefined;
  }
  if (second !== undefined) report(`${path}.grpc_services[1]`, 'only one service is supported');
  const { targetSpecifier, initialMetadata } = service;
  if (targetSpecifier.case !== 'envoyGrpc') {
    report(`${path}.grpc_services[0]`, 'only envoy_grpc is supported');
    return undefined;
  }
  const { clusterName, authority, retryPolicy, maxReceiveMessageLength } = targetSpecifier.value;
  const at = `${path}.grpc_services[0].envoy_grpc`;
  if (authority !== '') report(`${at}.authority`, 'is not supported');
  if (retryPolicy !== undefined)
    report(`${at}.retry_policy`, 'is not supported: the stream reconnects with back-off');
  if (maxReceiveMessageLength !== undefined) report(`${at}.max_receive_message_length`, 'is not supported');
  return {
    protocol: source.apiType === DELTA_GRPC ? 'delta' : 'sotw',
    cluster: clusterName,
    initialMetadata: initialMetadata.map(({ key, value }) => [key, value]),
  };
}

function listSource(
  source: ConfigSource | undefined,
  path: string,
  hasAds: boolean,
  report: Report,
): ListSource | undefined {
  const specifier = source?.configSourceSpecifier;
  switch (specifier?.case) {
    case undefined:
      if (source !== undefined) report(path, 'names no source');
      return undefined;
    case 'ads':
      if (!hasAds) report(path, 'asks for ads, but dynamic_resources.ads_config is missing');
      return { kind: 'ads' };
    case 'path':
      return { kind: 'file', path: specifier.value };
    case 'pathConfigSource':
      if (specifier.value.pollInterval !== undefined) {
        report(`${path}.path_config_source.poll_interval`, 'is not supported: the file is watched');
      }
      return { kind: 'file', path: specifier.value.path };
    default:
      report(path, 'must be ads or path_config_source');
      return undefined;
  }
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
  checkStatsTags(bootstrap, report);
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

/** Envoy cuts tags out of names with regular expressions; here they are known where a metric is made. */
function checkStatsTags({ statsConfig }: Bootstrap, report: Report): void {
  statsConfig?.statsTags.forEach(({ tagName, tagValue }, i) => {
    const at = `stats_config.stats_tags[${i}]`;
    if (!defaultTags.has(tagName)) report(`${at}.tag_name`, 'only the default tags of Envoy are supported');
    else if (tagValue.case === 'fixedValue')
      report(`${at}.fixed_value`, 'is not supported for a default tag');
    else if (tagValue.case === 'regex')
      report(`${at}.regex`, 'has no effect: the tag is always taken whole', 'warning');
  });
  if (statsConfig?.useAllDefaultTags === false) {
    report('stats_config.use_all_default_tags', 'has no effect: the default tags are always used', 'warning');
  }
}

/** Tags that metrics have here (Envoy, `well_known_names.h`). */
const defaultTags: ReadonlySet<string> = new Set([
  'envoy.cluster_name',
  'envoy.http_conn_manager_prefix',
  'envoy.listener_address',
  'envoy.response_code',
  'envoy.response_code_class',
  'envoy.tcp_prefix',
]);

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
