/** A `TcpProxy` message, read once. */
import {
  UpstreamConnectMode as ConnectMode,
  type TcpProxy,
} from '#xds/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import type { Direction } from '../filter/contract.ts';
import type { Findings } from '../findings.ts';
import { type LogTarget, readAccessLogs } from '../hcm/access-log-settings.ts';
import { compileCriteria, type MetadataCriteria, mergeCriteria } from '../route/metadata-criteria.ts';
import { type HashedText, readHashPolicy } from './connection-hash.ts';
import { stateKeys } from './filter-state.ts';
import type { NetworkFilter } from './network-filter.ts';
import { type OwnTlvs, readOwnTlvs } from './own-tlvs.ts';
import { readTunneling, type TunnelSettings } from './tunnel-settings.ts';

export interface WeightedName {
  readonly name: string;
  readonly weight: number;
  /** Of the metadata of endpoints. */
  readonly criteria: MetadataCriteria | undefined;
}

export interface BackOff {
  readonly baseMs: number;
  readonly maxMs: number;
}

export interface TcpSettings {
  readonly kind: 'tcp-proxy';
  readonly statPrefix: string;
  readonly clusters: readonly WeightedName[];
  readonly totalWeight: number;
  /** Whether a filter before may name another cluster: not where clusters are drawn by weight. */
  readonly mayBeRerouted: boolean;
  /** 0: none. */
  readonly idleTimeoutMs: number;
  readonly maxDurationMs: number;
  /** 0 to 1: how much is added to the duration at most. */
  readonly durationJitter: number;
  readonly maxConnectAttempts: number;
  /** Between attempts; undefined: none. */
  readonly backOff: BackOff | undefined;
  readonly hash: HashedText | undefined;
  readonly connectOn: 'accept' | 'data';
  /** What is read before there is somewhere to send it; -1: nothing. */
  readonly maxEarlyBytes: number;
  readonly checksDrain: boolean;
  /** Added to the PROXY header of endpoints that are told of the connection. */
  readonly tlvs: OwnTlvs | undefined;
  /** The bytes go inside an HTTP request. */
  readonly tunnel: TunnelSettings | undefined;
  readonly logs: readonly LogTarget[];
  readonly logOnStart: boolean;
  readonly logOnConnected: boolean;
  /** 0: none. */
  readonly logIntervalMs: number;
  readonly bufferLimitBytes: number;
  readonly filters: readonly NetworkFilter[];
  readonly direction: Direction;
}

/** Of the chain and listener a `tcp_proxy` stands in. */
export interface TcpContext {
  readonly path: string;
  readonly filters: readonly NetworkFilter[];
  readonly direction: Direction;
  /** Of the listener's sockets. */
  readonly bufferLimitBytes: number;
}

/** Envoy's default. */
const IDLE_TIMEOUT_MS = 60 * 60 * 1000;
/** Envoy's ratio of the longest to the first back-off, where it is not given. */
const BACK_OFF_RATIO = 10;

export function readTcpProxy(proxy: TcpProxy, context: TcpContext, findings: Findings): TcpSettings {
  const { path, filters, direction, bufferLimitBytes } = context;
  if (proxy.statPrefix === '') findings.error(`${path}.stat_prefix`, 'is missing');
  findings.refuse(`${path}.on_demand`, proxy.onDemand !== undefined);
  const tlvs = readOwnTlvs(proxy, path, findings);
  findings.refuse(`${path}.proxy_protocol_tlvs`, tlvs !== undefined && proxy.tunnelingConfig !== undefined);
  const offers = filters.some(({ keys = [] }) => keys.includes(stateKeys.applicationProtocols));
  if (offers && proxy.tunnelingConfig !== undefined)
    findings.error(`${path}.tunneling_config`, `is not supported beside "${stateKeys.applicationProtocols}"`);
  const clusters = readClusters(proxy, path, findings);
  const early = proxy.maxEarlyDataBytes;
  const mode = proxy.upstreamConnectMode;
  if (mode !== ConnectMode.IMMEDIATE && early === undefined) {
    findings.error(`${path}.max_early_data_bytes`, 'is needed where upstream_connect_mode is not IMMEDIATE');
  }
  if (proxy.maxConnectAttempts === 0) findings.error(`${path}.max_connect_attempts`, 'must be at least 1');
  return {
    kind: 'tcp-proxy',
    statPrefix: proxy.statPrefix,
    clusters,
    totalWeight: clusters.reduce((sum, { weight }) => sum + weight, 0),
    mayBeRerouted: proxy.clusterSpecifier.case === 'cluster',
    idleTimeoutMs: findings.durationMs(`${path}.idle_timeout`, proxy.idleTimeout) ?? IDLE_TIMEOUT_MS,
    ...readDuration(proxy, path, findings),
    maxConnectAttempts: proxy.maxConnectAttempts ?? 1,
    backOff: readBackOff(proxy, path, findings),
    hash: readHashPolicy(proxy.hashPolicy, `${path}.hash_policy`, findings),
    // The TLS handshake is over before anything is connected in any case.
    connectOn: mode === ConnectMode.ON_DOWNSTREAM_DATA ? 'data' : 'accept',
    maxEarlyBytes: early ?? -1,
    checksDrain: proxy.checkDrainClose === true,
    tlvs,
    tunnel:
      proxy.tunnelingConfig && readTunneling(proxy.tunnelingConfig, `${path}.tunneling_config`, findings),
    ...readLogs(proxy, path, findings),
    bufferLimitBytes,
    filters,
    direction,
  };
}

function readClusters(proxy: TcpProxy, path: string, findings: Findings): WeightedName[] {
  const { clusterSpecifier: specifier } = proxy;
  const criteria = compileCriteria(proxy.metadataMatch);
  if (specifier.case === 'cluster') return [{ name: specifier.value, weight: 1, criteria }];
  if (specifier.case === undefined) {
    findings.error(path, 'names no cluster');
    return [];
  }
  const at = `${path}.weighted_clusters.clusters`;
  if (specifier.value.clusters.length === 0) findings.error(at, 'is missing');
  return specifier.value.clusters.map(({ name, weight, metadataMatch }, i) => {
    if (name === '') findings.error(`${at}[${i}].name`, 'is missing');
    if (weight === 0) findings.error(`${at}[${i}].weight`, 'must be at least 1');
    return { name, weight, criteria: mergeCriteria(criteria, compileCriteria(metadataMatch)) };
  });
}

function readDuration(
  proxy: TcpProxy,
  path: string,
  findings: Findings,
): Pick<TcpSettings, 'maxDurationMs' | 'durationJitter'> {
  const at = `${path}.max_downstream_connection_duration`;
  const maxDurationMs = findings.durationMs(at, proxy.maxDownstreamConnectionDuration);
  if (maxDurationMs !== undefined && maxDurationMs < 1) findings.error(at, 'must be at least 1ms');
  const percent = proxy.maxDownstreamConnectionDurationJitterPercentage?.value ?? 0;
  if (percent < 0 || percent > 100) {
    findings.error(`${at}_jitter_percentage.value`, 'must be between 0 and 100');
  }
  return { maxDurationMs: maxDurationMs ?? 0, durationJitter: percent / 100 };
}

function readBackOff(proxy: TcpProxy, path: string, findings: Findings): BackOff | undefined {
  const { backoffOptions: options } = proxy;
  if (options === undefined) return undefined;
  const at = `${path}.backoff_options`;
  const baseMs = findings.durationMs(`${at}.base_interval`, options.baseInterval) ?? 0;
  if (baseMs < 1) findings.error(`${at}.base_interval`, 'must be at least 1ms');
  const maxMs = findings.durationMs(`${at}.max_interval`, options.maxInterval) ?? baseMs * BACK_OFF_RATIO;
  if (maxMs < baseMs) findings.error(`${at}.max_interval`, 'is below base_interval');
  return { baseMs, maxMs };
}

function readLogs(
  proxy: TcpProxy,
  path: string,
  findings: Findings,
): Pick<TcpSettings, 'logs' | 'logOnStart' | 'logOnConnected' | 'logIntervalMs'> {
  const { accessLogOptions: options } = proxy;
  const at = options === undefined ? path : `${path}.access_log_options`;
  const interval = options === undefined ? proxy.accessLogFlushInterval : options.accessLogFlushInterval;
  const logIntervalMs = findings.durationMs(`${at}.access_log_flush_interval`, interval);
  if (logIntervalMs !== undefined && logIntervalMs < 1) {
    findings.error(`${at}.access_log_flush_interval`, 'must be at least 1ms');
  }
  return {
    logs: readAccessLogs(proxy.accessLog, `${path}.access_log`, findings),
    logOnStart: options?.flushAccessLogOnStart ?? false,
    logOnConnected: options?.flushAccessLogOnConnected ?? proxy.flushAccessLogOnConnected,
    logIntervalMs: logIntervalMs ?? 0,
  };
}
