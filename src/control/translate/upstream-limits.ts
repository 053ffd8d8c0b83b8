/** `connectionPool` and `outlierDetection` of a DestinationRule as parts of a cluster, as Istio makes them. */
import type { ConnectionPoolPolicy } from '#model/connection-pool.ts';
import type { OutlierPolicy } from '#model/outlier-detection.ts';
import type { PortProtocol } from '#model/port-protocol.ts';
import type { ClusterSchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { HttpProtocolOptionsSchema } from '#xds/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import { duration, type Init, pack } from './message.ts';

type ClusterInit = Init<typeof ClusterSchema>;

/** No limit but memory: Istio's default, where Envoy's own would be 1024. */
const unlimited = 0xffff_ffff;

/** 0 stands for no limit. */
export function circuitBreakers(
  pool: ConnectionPoolPolicy = {},
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
      },
    ],
  };
}

type Speech = Pick<PortProtocol, 'carriedAs' | 'http2'>;
type Options = Pick<ClusterInit, 'typedExtensionProtocolOptions'>;

/** What a cluster says of HTTP: limits of each connection, and the version; HTTP/1.1 needs no word. */
export function httpOptions(pool: ConnectionPoolPolicy | undefined, { carriedAs, http2 }: Speech): Options {
  const { idleTimeout, maxRequestsPerConnection = 0 } = pool?.http ?? {};
  const { maxConnectionDuration } = pool?.tcp ?? {};
  const common = {
    ...(idleTimeout !== undefined && { idleTimeout: duration(idleTimeout) }),
    ...(maxConnectionDuration !== undefined && { maxConnectionDuration: duration(maxConnectionDuration) }),
    ...(maxRequestsPerConnection > 0 && { maxRequestsPerConnection }),
  };
  const version = http2 ? overHttp2 : carriedAs === 'AUTO' ? asTheyCame : overHttp1;
  const isLimited = Object.keys(common).length > 0;
  if (!isLimited && version === overHttp1) return {};
  return options({
    ...(isLimited && { commonHttpProtocolOptions: common }),
    upstreamProtocolOptions: version,
  });
}

type Version = NonNullable<Init<typeof HttpProtocolOptionsSchema>['upstreamProtocolOptions']>;

const overHttp1: Version = {
  case: 'explicitHttpConfig',
  value: { protocolConfig: { case: 'httpProtocolOptions', value: {} } },
};
const overHttp2: Version = {
  case: 'explicitHttpConfig',
  value: { protocolConfig: { case: 'http2ProtocolOptions', value: {} } },
};
const asTheyCame: Version = {
  case: 'useDownstreamProtocolConfig',
  value: { httpProtocolOptions: {}, http2ProtocolOptions: {} },
};

function options(init: Init<typeof HttpProtocolOptionsSchema>): Options {
  return {
    typedExtensionProtocolOptions: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': pack(HttpProtocolOptionsSchema, init),
    },
  };
}

/** Requests go on by the version of HTTP that they came by. */
export const asItCame: Options = options({ upstreamProtocolOptions: asTheyCame });

const ENFORCED = 100;

/** Rates of success are not looked at, and panic only where `minHealthPercent` asks for it. */
export function outlierParts(
  policy: OutlierPolicy | undefined,
): Pick<ClusterInit, 'outlierDetection' | 'commonLbConfig'> {
  if (policy === undefined) return {};
  const { consecutive5xxErrors: errors, consecutiveGatewayErrors: gateway } = policy;
  const { consecutiveLocalOriginFailures: local = 0, splitExternalLocalOriginErrors: split } = policy;
  const { interval, baseEjectionTime, maxEjectionPercent = 0, minHealthPercent = 0 } = policy;
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
    commonLbConfig: { healthyPanicThreshold: { value: minHealthPercent } },
  };
}
