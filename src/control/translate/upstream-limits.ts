/** `connectionPool`, `retryBudget` and `outlierDetection` of a DestinationRule as parts of a cluster, as Istio makes them. */
import type { ConnectionPoolPolicy } from '#model/connection-pool.ts';
import type { OutlierPolicy } from '#model/outlier-detection.ts';
import type { PortProtocol } from '#model/port-protocol.ts';
import type { RetryBudget } from '#model/traffic-policy.ts';
import type { ClusterSchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { HttpProtocolOptionsSchema } from '#xds/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import { duration, type Init, pack } from './message.ts';

type ClusterInit = Init<typeof ClusterSchema>;

/** No limit but memory: Istio's default, where Envoy's own would be 1024. */
const unlimited = 0xffff_ffff;

/** 0 stands for no limit. */
export function circuitBreakers(
  pool: ConnectionPoolPolicy = {},
  budget?: RetryBudget,
): NonNullable<ClusterInit['circuitBreakers']> {
  const { tcp, http } = pool;
  return {
    thresholds: [
      {
        maxConnections: tcp?.maxConnections || unlimited,
        maxPendingRequests: http?.http1MaxPendingRequests || unlimited,
        maxRequests: http?.http2MaxRequests || unlimited,
        maxRetries: http?.maxRetries || unlimited,
        trackRemaining: true,
        ...(budget !== undefined && { retryBudget: budgetInit(budget) }),
      },
    ],
  };
}

function budgetInit({ percent, minRetryConcurrency }: RetryBudget) {
  return {
    ...(percent !== undefined && { budgetPercent: { value: percent } }),
    ...(minRetryConcurrency !== undefined && { minRetryConcurrency }),
  };
}

/** In whole seconds, one at least. */
export function keepAlive(
  pool: ConnectionPoolPolicy | undefined,
): Pick<ClusterInit, 'upstreamConnectionOptions'> {
  const settings = pool?.tcp?.tcpKeepalive;
  if (settings === undefined) return {};
  const { probes, time, interval } = settings;
  const seconds = (ms: number): number => Math.max(1, Math.round(ms / 1000));
  return {
    upstreamConnectionOptions: {
      tcpKeepalive: {
        ...(probes !== undefined && probes > 0 && { keepaliveProbes: probes }),
        ...(time !== undefined && { keepaliveTime: seconds(time) }),
        ...(interval !== undefined && { keepaliveInterval: seconds(interval) }),
      },
    },
  };
}

type Speech = Pick<PortProtocol, 'carriedAs' | 'http2'>;
type Options = Pick<ClusterInit, 'typedExtensionProtocolOptions'>;
type OptionsInit = Init<typeof HttpProtocolOptionsSchema>;

/** Which version of HTTP endpoints are spoken to in. `as it came`: that of the request. */
export type SpokenVersion = 'HTTP/1.1' | 'HTTP/2' | 'as it came';

export function spokenVersion(
  pool: ConnectionPoolPolicy | undefined,
  { carriedAs, http2 }: Speech,
): SpokenVersion {
  const { h2UpgradePolicy, useClientProtocol } = pool?.http ?? {};
  if (h2UpgradePolicy === 'UPGRADE') return 'HTTP/2';
  if (useClientProtocol === true) return 'as it came';
  if (http2) return 'HTTP/2';
  return carriedAs === 'AUTO' ? 'as it came' : 'HTTP/1.1';
}

/** What a cluster says of HTTP: limits of each connection, and the version; HTTP/1.1 needs no word. */
export function httpOptions(
  pool: ConnectionPoolPolicy | undefined,
  speech: Speech,
  names?: OptionsInit['upstreamHttpProtocolOptions'],
): Options {
  const { maxRequestsPerConnection = 0 } = pool?.http ?? {};
  const { maxConnectionDuration } = pool?.tcp ?? {};
  const idleTimeout = pool?.http?.idleTimeout ?? pool?.tcp?.idleTimeout;
  const common = {
    ...(idleTimeout !== undefined && { idleTimeout: duration(idleTimeout) }),
    ...(maxConnectionDuration !== undefined && { maxConnectionDuration: duration(maxConnectionDuration) }),
    ...(maxRequestsPerConnection > 0 && { maxRequestsPerConnection }),
  };
  const version = spokenVersion(pool, speech);
  const isLimited = Object.keys(common).length > 0;
  if (!isLimited && names === undefined && version === 'HTTP/1.1') return {};
  return options({
    ...(isLimited && { commonHttpProtocolOptions: common }),
    ...(names !== undefined && { upstreamHttpProtocolOptions: names }),
    upstreamProtocolOptions: versionInit(version, pool),
  });
}

type Version = NonNullable<OptionsInit['upstreamProtocolOptions']>;

function versionInit(version: SpokenVersion, pool: ConnectionPoolPolicy | undefined): Version {
  const http2ProtocolOptions = http2Options(pool);
  switch (version) {
    case 'HTTP/1.1':
      return {
        case: 'explicitHttpConfig',
        value: { protocolConfig: { case: 'httpProtocolOptions', value: {} } },
      };
    case 'HTTP/2':
      return {
        case: 'explicitHttpConfig',
        value: { protocolConfig: { case: 'http2ProtocolOptions', value: http2ProtocolOptions } },
      };
    default:
      return {
        case: 'useDownstreamProtocolConfig',
        value: { httpProtocolOptions: {}, http2ProtocolOptions },
      };
  }
}

/** What holds where only the other of the two is said. */
const PING_INTERVAL_MS = 30_000;
const PING_TIMEOUT_MS = 10_000;

function http2Options(pool: ConnectionPoolPolicy | undefined) {
  const { maxConcurrentStreams = 0, http2KeepAlive } = pool?.http ?? {};
  return {
    ...(maxConcurrentStreams > 0 && { maxConcurrentStreams }),
    ...(http2KeepAlive !== undefined && {
      connectionKeepalive: {
        interval: duration(http2KeepAlive.interval ?? PING_INTERVAL_MS),
        timeout: duration(http2KeepAlive.timeout ?? PING_TIMEOUT_MS),
      },
    }),
  };
}

function options(init: OptionsInit): Options {
  return {
    typedExtensionProtocolOptions: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': pack(HttpProtocolOptionsSchema, init),
    },
  };
}

/** Requests go on by the version of HTTP that they came by. */
export const asItCame: Options = options({ upstreamProtocolOptions: versionInit('as it came', undefined) });

const ENFORCED = 100;

/** Rates of success are not looked at. */
export function outlierDetection(policy: OutlierPolicy | undefined): Pick<ClusterInit, 'outlierDetection'> {
  if (policy === undefined) return {};
  const { consecutive5xxErrors: errors, consecutiveGatewayErrors: gateway } = policy;
  const { consecutiveLocalOriginFailures: local = 0, splitExternalLocalOriginErrors: split } = policy;
  const { interval, baseEjectionTime, maxEjectionPercent = 0 } = policy;
  return {
    outlierDetection: {
      enforcingSuccessRate: 0,
      ...(errors !== undefined && {
        consecutive5xx: errors,
        enforcingConsecutive5xx: errors > 0 ? ENFORCED : 0,
      }),
      ...(gateway !== undefined && {
        consecutiveGatewayFailure: gateway,
        enforcingConsecutiveGatewayFailure: gateway > 0 ? ENFORCED : 0,
      }),
      ...(interval !== undefined && { interval: duration(interval) }),
      ...(baseEjectionTime !== undefined && { baseEjectionTime: duration(baseEjectionTime) }),
      ...(maxEjectionPercent > 0 && { maxEjectionPercent }),
      ...(split === true && {
        splitExternalLocalOriginErrors: true,
        enforcingLocalOriginSuccessRate: 0,
        ...(local > 0 && {
          consecutiveLocalOriginFailure: local,
          enforcingConsecutiveLocalOriginFailure: ENFORCED,
        }),
      }),
    },
  };
}
