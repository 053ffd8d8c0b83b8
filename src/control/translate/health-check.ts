/** `healthCheck` of a ResiliencePolicy -> `health_checks` of a cluster. */
import type {
  GrpcCheck,
  HealthCheckPolicy,
  HttpCheck,
  StatusRange,
  TcpCheck,
} from '#model/resilience-policy.ts';
import type { ClusterSchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { RequestMethod } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type { HealthCheckSchema } from '#xds/gen/envoy/config/core/v3/health_check_pb.js';
import { CodecClientType } from '#xds/gen/envoy/type/v3/http_pb.js';
import { duration, type Init } from './message.ts';

type CheckInit = Init<typeof HealthCheckSchema>;
type Checker = NonNullable<CheckInit['healthChecker']>;

/** What is checked. */
export interface CheckedCluster {
  /** By which it is asked for. */
  readonly host: string;
  readonly http2: boolean;
}

export function healthChecks(
  policy: HealthCheckPolicy,
  cluster: CheckedCluster,
): Pick<Init<typeof ClusterSchema>, 'healthChecks'> {
  const healthChecker = checkerOf(policy, cluster);
  if (healthChecker === undefined) return {};
  const interval = duration(policy.interval);
  return {
    healthChecks: [
      {
        timeout: duration(policy.timeout),
        interval,
        // Envoy looks only once a minute at what nobody has called yet.
        noTrafficInterval: interval,
        intervalJitterPercent: Math.round(policy.jitterPercent),
        unhealthyThreshold: policy.unhealthyThreshold,
        healthyThreshold: policy.healthyThreshold,
        healthChecker,
      },
    ],
  };
}

function checkerOf({ http, tcp, grpc }: HealthCheckPolicy, cluster: CheckedCluster): Checker | undefined {
  if (http !== undefined) return { case: 'httpHealthCheck', value: httpCheck(http, cluster) };
  if (tcp !== undefined) return { case: 'tcpHealthCheck', value: tcpCheck(tcp) };
  // Envoy refuses a cluster that is asked by gRPC over HTTP/1.1.
  if (grpc === undefined || !cluster.http2) return undefined;
  return { case: 'grpcHealthCheck', value: grpcCheck(grpc, cluster) };
}

type ValueOf<Case extends NonNullable<Checker['case']>> = Extract<Checker, { case: Case }>['value'];

const success: StatusRange = { from: 200, to: 299 };

function httpCheck(
  { path, method, host, headers, expectedStatuses = [success] }: HttpCheck,
  cluster: CheckedCluster,
): ValueOf<'httpHealthCheck'> {
  return {
    path,
    host: host ?? cluster.host,
    method: RequestMethod[method],
    requestHeadersToAdd: Object.entries(headers).map(([key, value]) => ({ header: { key, value } })),
    expectedStatuses: expectedStatuses.map(({ from, to }) => ({ start: BigInt(from), end: BigInt(to + 1) })),
    codecClientType: cluster.http2 ? CodecClientType.HTTP2 : CodecClientType.HTTP1,
  };
}

function tcpCheck({ send, receive }: TcpCheck): ValueOf<'tcpHealthCheck'> {
  return {
    ...(send !== undefined && { send: payload(send) }),
    ...(receive !== undefined && { receive: [payload(receive)] }),
  };
}

function payload(text: string) {
  return { payload: { case: 'binary' as const, value: new TextEncoder().encode(text) } };
}

function grpcCheck({ service = '' }: GrpcCheck, { host }: CheckedCluster): ValueOf<'grpcHealthCheck'> {
  return { serviceName: service, authority: host };
}
