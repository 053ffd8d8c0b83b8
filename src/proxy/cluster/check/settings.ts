/** `health_checks` of a cluster, with Envoy's defaults. */
import type { Duration } from '@bufbuild/protobuf/wkt';
import type { TextMatcher } from '#core/matcher.ts';
import type { HeaderList } from '#http/header-list.ts';
import { type HeaderValueOption, RequestMethod } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type {
  HealthCheck,
  HealthCheck_HttpHealthCheck as HttpHealthCheck,
  HealthCheck_Payload as Payload,
} from '#xds/gen/envoy/config/core/v3/health_check_pb.js';
import { HealthCheckEventFileSinkSchema } from '#xds/gen/envoy/extensions/health_check/event_sinks/file/v3/file_pb.js';
import { CodecClientType } from '#xds/gen/envoy/type/v3/http_pb.js';
import type { Int64Range } from '#xds/gen/envoy/type/v3/range_pb.js';
import type { Findings } from '../../findings.ts';
import { textMatcher } from '../../route/header-match.ts';

/** What is sent to endpoints, and what they should answer. */
export type CheckKind =
  | {
      readonly kind: 'http';
      /** '': the name of the cluster. */
      readonly host: string;
      readonly path: string;
      readonly method: string;
      readonly body: Buffer;
      readonly headers: HeaderList;
      readonly removed: readonly string[];
      readonly expected: readonly Statuses[];
      readonly retriable: readonly Statuses[];
      /** In the beginning of the body, one after the other. */
      readonly receive: readonly Buffer[];
      readonly bodyBytes: number;
      readonly major: 1 | 2;
      /** Of `x-envoy-upstream-healthchecked-cluster`. */
      readonly service: TextMatcher | undefined;
    }
  | { readonly kind: 'tcp'; readonly send: Buffer; readonly receive: readonly Buffer[] }
  | {
      readonly kind: 'grpc';
      readonly service: string;
      /** '': the name of the cluster. */
      readonly authority: string;
      readonly metadata: HeaderList;
    };

/** From the first to before the second. */
export type Statuses = readonly [from: number, to: number];

export interface CheckSettings {
  readonly check: CheckKind;
  /** Stands in the names of its figures; '' for none. */
  readonly name: string;
  readonly timeoutMs: number;
  readonly intervalMs: number;
  readonly initialJitterMs: number;
  readonly jitterMs: number;
  readonly jitterPercent: number;
  readonly unhealthyThreshold: number;
  readonly healthyThreshold: number;
  readonly noTrafficMs: number;
  readonly noTrafficHealthyMs: number;
  readonly unhealthyMs: number;
  readonly unhealthyEdgeMs: number;
  readonly healthyEdgeMs: number;
  readonly reusesConnection: boolean;
  readonly logPaths: readonly string[];
  readonly logsFailures: boolean;
  readonly logsSuccesses: boolean;
  /** Offered in place of what the transport offers; empty: the same. */
  readonly alpn: readonly string[];
  /** Of the transport socket match to use, in place of the endpoint's metadata. */
  readonly matchCriteria: Readonly<Record<string, unknown>> | undefined;
}

const NO_TRAFFIC_MS = 60_000;
const BODY_BYTES = 1024;

export function readHealthChecks(
  checks: readonly HealthCheck[],
  findings: Findings,
): CheckSettings | undefined {
  const [check, second] = checks;
  if (check === undefined) return undefined;
  const path = 'health_checks[0]';
  findings.refuse('health_checks[1]', second !== undefined);
  findings.refuse(`${path}.alt_port`, check.altPort !== undefined);
  const duration = (field: string, value: Duration | undefined): number | undefined =>
    findings.durationMs(`${path}.${field}`, value);
  const needed = (field: string, value: Duration | undefined): number => {
    const ms = duration(field, value) ?? 0;
    if (ms <= 0) findings.error(`${path}.${field}`, 'is needed, and must be greater than 0s');
    return ms;
  };
  const threshold = (field: string, value: number | undefined): number => {
    if (value === undefined)
      findings.error(`${path}.${field}`, 'is needed: say how many checks in a row decide');
    return value ?? 1;
  };
  const intervalMs = needed('interval', check.interval);
  const unhealthyMs = duration('unhealthy_interval', check.unhealthyInterval) ?? intervalMs;
  const noTrafficMs = duration('no_traffic_interval', check.noTrafficInterval) ?? NO_TRAFFIC_MS;
  return {
    check: readKind(check, path, findings),
    name: check.name,
    timeoutMs: needed('timeout', check.timeout),
    intervalMs,
    initialJitterMs: duration('initial_jitter', check.initialJitter) ?? 0,
    jitterMs: duration('interval_jitter', check.intervalJitter) ?? 0,
    jitterPercent: check.intervalJitterPercent,
    unhealthyThreshold: threshold('unhealthy_threshold', check.unhealthyThreshold),
    healthyThreshold: threshold('healthy_threshold', check.healthyThreshold),
    noTrafficMs,
    noTrafficHealthyMs:
      duration('no_traffic_healthy_interval', check.noTrafficHealthyInterval) ?? noTrafficMs,
    unhealthyMs,
    unhealthyEdgeMs: duration('unhealthy_edge_interval', check.unhealthyEdgeInterval) ?? unhealthyMs,
    healthyEdgeMs: duration('healthy_edge_interval', check.healthyEdgeInterval) ?? intervalMs,
    reusesConnection: check.reuseConnection ?? true,
    logPaths: readLogs(check, path, findings),
    logsFailures: check.alwaysLogHealthCheckFailures,
    logsSuccesses: check.alwaysLogHealthCheckSuccess,
    alpn: check.tlsOptions?.alpnProtocols ?? [],
    matchCriteria: check.transportSocketMatchCriteria as Record<string, unknown> | undefined,
  };
}

function readLogs(check: HealthCheck, path: string, findings: Findings): string[] {
  const paths = check.eventLogPath === '' ? [] : [check.eventLogPath];
  check.eventLogger.forEach(({ typedConfig }, i) => {
    const at = `${path}.event_logger[${i}].typed_config`;
    const sink = findings.unpack(at, typedConfig, HealthCheckEventFileSinkSchema);
    if (sink?.eventLogPath === '') findings.error(`${at}.event_log_path`, 'is missing');
    else if (sink !== undefined) paths.push(sink.eventLogPath);
  });
  return paths;
}

function readKind({ healthChecker: of }: HealthCheck, path: string, findings: Findings): CheckKind {
  switch (of.case) {
    case 'httpHealthCheck':
      return readHttp(of.value, `${path}.http_health_check`, findings);
    case 'tcpHealthCheck': {
      const at = `${path}.tcp_health_check`;
      findings.refuse(`${at}.proxy_protocol_config`, of.value.proxyProtocolConfig !== undefined);
      return {
        kind: 'tcp',
        send: readPayload(of.value.send, `${at}.send`, findings),
        receive: of.value.receive.map((payload, i) => readPayload(payload, `${at}.receive[${i}]`, findings)),
      };
    }
    case 'grpcHealthCheck': {
      const { serviceName, authority, initialMetadata } = of.value;
      const at = `${path}.grpc_health_check.initial_metadata`;
      return {
        kind: 'grpc',
        service: serviceName,
        authority,
        metadata: readHeaders(initialMetadata, at, findings),
      };
    }
    default:
      findings.error(
        path,
        of.case === undefined
          ? 'needs http_health_check, tcp_health_check or grpc_health_check'
          : 'custom_health_check is not supported: use http_health_check, tcp_health_check or grpc_health_check',
      );
      return { kind: 'tcp', send: Buffer.alloc(0), receive: [] };
  }
}

function readHttp(check: HttpHealthCheck, path: string, findings: Findings): CheckKind {
  if (check.path === '') findings.error(`${path}.path`, 'is missing');
  findings.refuse(`${path}.codec_client_type`, check.codecClientType === CodecClientType.HTTP3);
  if (check.method === RequestMethod.CONNECT) findings.error(`${path}.method`, 'must not be CONNECT');
  const service = check.serviceNameMatcher;
  const send = readPayload(check.send, `${path}.send`, findings);
  const method = RequestMethod[check.method || RequestMethod.GET];
  if (send.length > 0 && !['POST', 'PUT', 'PATCH', 'OPTIONS'].includes(method)) {
    findings.error(`${path}.send`, `has no place in a ${method}: set method to POST, PUT, PATCH or OPTIONS`);
  }
  return {
    kind: 'http',
    host: check.host,
    path: check.path,
    method,
    body: send,
    headers: readHeaders(check.requestHeadersToAdd, `${path}.request_headers_to_add`, findings),
    removed: check.requestHeadersToRemove.map((name) => name.toLowerCase()),
    expected:
      check.expectedStatuses.length === 0
        ? [[200, 201]]
        : readStatuses(check.expectedStatuses, `${path}.expected_statuses`, findings),
    retriable: readStatuses(check.retriableStatuses, `${path}.retriable_statuses`, findings),
    receive: check.receive.map((payload, i) => readPayload(payload, `${path}.receive[${i}]`, findings)),
    bodyBytes: Number(check.responseBufferSize ?? BODY_BYTES),
    major: check.codecClientType === CodecClientType.HTTP2 ? 2 : 1,
    service: service && textMatcher(service, `${path}.service_name_matcher`, findings),
  };
}

function readStatuses(ranges: readonly Int64Range[], path: string, findings: Findings): Statuses[] {
  return ranges.map(({ start, end }, i) => {
    const [from, to] = [Number(start), Number(end)];
    if (from >= to) findings.error(`${path}[${i}]`, `${from} to ${to} is empty: the end is not part of it`);
    else if (from < 100 || to > 600)
      findings.error(`${path}[${i}]`, `${from} to ${to} goes beyond 100 to 600`);
    return [from, to];
  });
}

function readPayload(payload: Payload | undefined, path: string, findings: Findings): Buffer {
  const of = payload?.payload;
  if (of?.case === 'binary') return Buffer.from(of.value);
  if (of?.case !== 'text') return Buffer.alloc(0);
  if (!/^(?:[0-9a-f]{2})+$/i.test(of.value)) {
    findings.error(`${path}.text`, `"${of.value}" is not hexadecimal, with two digits a byte`);
  }
  return Buffer.from(of.value, 'hex');
}

function readHeaders(options: readonly HeaderValueOption[], path: string, findings: Findings): HeaderList {
  return options.flatMap(({ header }, i) => {
    const { key = '', value = '' } = header ?? {};
    if (key === '') findings.error(`${path}[${i}].header.key`, 'is missing');
    if (value.includes('%')) findings.error(`${path}[${i}].header.value`, 'operators are not supported here');
    return [key.toLowerCase(), value];
  });
}
