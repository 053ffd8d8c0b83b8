/** A `TcpProxy` message, read once. */
import type { TcpProxy } from '#xds/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import type { ConnectionFilter, Direction } from '../filter/contract.ts';
import type { Findings } from '../findings.ts';
import { type LogTarget, readAccessLogs } from '../hcm/access-log-settings.ts';

export interface TcpSettings {
  readonly statPrefix: string;
  readonly clusters: readonly { readonly name: string; readonly weight: number }[];
  readonly totalWeight: number;
  /** 0: none. */
  readonly idleTimeoutMs: number;
  readonly maxDurationMs: number;
  readonly maxConnectAttempts: number;
  readonly logs: readonly LogTarget[];
  readonly filters: readonly ConnectionFilter[];
  readonly direction: Direction;
}

/** Envoy's default. */
const IDLE_TIMEOUT_MS = 60 * 60 * 1000;

export function readTcpProxy(
  proxy: TcpProxy,
  path: string,
  filters: readonly ConnectionFilter[],
  direction: Direction,
  findings: Findings,
): TcpSettings {
  if (proxy.statPrefix === '') findings.error(`${path}.stat_prefix`, 'is missing');
  findings.refuse(`${path}.tunneling_config`, proxy.tunnelingConfig !== undefined);
  findings.refuse(`${path}.backoff_options`, proxy.backoffOptions !== undefined);
  if (proxy.metadataMatch !== undefined) {
    findings.warn(`${path}.metadata_match`, 'has no effect: clusters have no subsets of endpoints');
  }
  const { clusterSpecifier: specifier } = proxy;
  let clusters: { name: string; weight: number }[] = [];
  if (specifier.case === 'cluster') clusters = [{ name: specifier.value, weight: 1 }];
  else if (specifier.case === 'weightedClusters') {
    clusters = specifier.value.clusters.map(({ name, weight }) => ({ name, weight }));
  } else findings.error(path, 'names no cluster');
  return {
    statPrefix: proxy.statPrefix,
    clusters,
    totalWeight: clusters.reduce((sum, { weight }) => sum + weight, 0),
    idleTimeoutMs: findings.durationMs(`${path}.idle_timeout`, proxy.idleTimeout) ?? IDLE_TIMEOUT_MS,
    maxDurationMs:
      findings.durationMs(
        `${path}.max_downstream_connection_duration`,
        proxy.maxDownstreamConnectionDuration,
      ) ?? 0,
    maxConnectAttempts: proxy.maxConnectAttempts ?? 1,
    logs: readAccessLogs(proxy.accessLog, `${path}.access_log`, findings),
    filters,
    direction,
  };
}
