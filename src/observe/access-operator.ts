/**
 * The command operators of an access log (Envoy, "Access logging"): each becomes a function that
 * reads one thing of an {@link AccessRecord}.
 */
import type { Parsed } from '#core/problem.ts';
import {
  commonDuration,
  environment,
  grpcStatus,
  grpcStatusOf,
  hostName,
  pathOf,
  queryParameter,
  withoutPorts,
} from './access-operator-kinds.ts';
import { badOperator, goodOperator, hostOf, type Operator, orNothing } from './access-operator-parts.ts';
import type { AccessRecord, FilterMetadata, MetadataValue } from './access-record.ts';
import type { Command } from './format-string.ts';
import { longFlags } from './response-flags.ts';
import { compileTimeFormat, isoTime } from './time-format.ts';

export type { Operator } from './access-operator-parts.ts';

function elapsed(fromMs: number, toMs: number): number | undefined {
  return toMs < 0 ? undefined : Math.max(0, Math.floor(toMs - fromMs));
}

function portOf(address: string): number | undefined {
  const port = Number(address.slice(address.lastIndexOf(':') + 1));
  return address === '' || Number.isNaN(port) ? undefined : port;
}

/** Operators that take no argument. */
const plainOperators: Readonly<Record<string, Operator>> = {
  PROTOCOL: (r) => orNothing(r.protocol),
  RESPONSE_CODE: (r) => r.responseCode,
  RESPONSE_CODE_DETAILS: (r) => orNothing(r.responseCodeDetails),
  RESPONSE_FLAGS: (r) => orNothing(r.responseFlags),
  RESPONSE_FLAGS_LONG: (r) => orNothing(r.responseFlags && longFlags(r.responseFlags)),
  GRPC_STATUS_NUMBER: (r) => grpcStatusOf(r),
  STREAM_ID: (r) => headerOf(r.requestHeaders, 'x-request-id'),
  UPSTREAM_PROTOCOL: (r) => orNothing(r.upstreamProtocol ?? ''),
  UPSTREAM_HOST_NAME: (r) => orNothing(r.upstreamHostname || r.upstreamHost),
  UPSTREAM_HOST_NAME_WITHOUT_PORT: (r) => hostOf(r.upstreamHostname || r.upstreamHost),
  UPSTREAM_HOSTS_ATTEMPTED: (r) => orNothing(r.upstreamHostsAttempted ?? ''),
  UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT: (r) => withoutPorts(r.upstreamHostsAttempted ?? ''),
  DOWNSTREAM_PEER_SUBJECT: (r) => orNothing(r.downstreamCertificate?.subject ?? ''),
  DOWNSTREAM_PEER_ISSUER: (r) => orNothing(r.downstreamCertificate?.issuer ?? ''),
  DOWNSTREAM_PEER_FINGERPRINT_256: (r) => orNothing(r.downstreamCertificate?.hash ?? ''),
  DOWNSTREAM_PEER_DNS_SAN: (r) => orNothing(r.downstreamCertificate?.dns.join(',') ?? ''),
  DOWNSTREAM_PEER_CERT: (r) => orNothing(r.downstreamCertificate?.pem ?? ''),
  TRACE_ID: () => undefined,
  SPAN_ID: () => undefined,
  CONNECTION_TERMINATION_DETAILS: (r) => orNothing(r.connectionTerminationDetails),
  ACCESS_LOG_TYPE: (r) => r.accessLogType,
  UPSTREAM_LOCAL_CLOSE_REASON: (r) => orNothing(r.upstreamLocalCloseReason),
  DOWNSTREAM_LOCAL_CLOSE_REASON: (r) => orNothing(r.downstreamLocalCloseReason),
  LOCAL_REPLY_BODY: (r) => r.localReplyBody,
  BYTES_RECEIVED: (r) => r.bytesReceived,
  BYTES_SENT: (r) => r.bytesSent,
  DURATION: (r) => elapsed(r.startMs, r.endMs),
  REQUEST_DURATION: (r) => elapsed(r.startMs, r.requestEndMs),
  RESPONSE_DURATION: (r) => elapsed(r.startMs, r.firstUpstreamByteMs),
  RESPONSE_TX_DURATION: (r) =>
    r.firstUpstreamByteMs < 0 ? undefined : elapsed(r.firstUpstreamByteMs, r.endMs),
  ROUTE_NAME: (r) => orNothing(r.routeName),
  VIRTUAL_CLUSTER_NAME: (r) => orNothing(r.virtualClusterName),
  UPSTREAM_HOST: (r) => orNothing(r.upstreamHost),
  UPSTREAM_REMOTE_ADDRESS: (r) => orNothing(r.upstreamRemoteAddress),
  UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: (r) => hostOf(r.upstreamRemoteAddress),
  UPSTREAM_REMOTE_PORT: (r) => portOf(r.upstreamRemoteAddress),
  UPSTREAM_CLUSTER: (r) => orNothing(r.upstreamCluster),
  UPSTREAM_CLUSTER_RAW: (r) => orNothing(r.upstreamCluster),
  UPSTREAM_LOCAL_ADDRESS: (r) => orNothing(r.upstreamLocalAddress),
  UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: (r) => hostOf(r.upstreamLocalAddress),
  UPSTREAM_LOCAL_PORT: (r) => portOf(r.upstreamLocalAddress),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: (r) => r.upstreamAttempts,
  UPSTREAM_TRANSPORT_FAILURE_REASON: (r) => orNothing(r.upstreamTransportFailureReason),
  UPSTREAM_LOCAL_URI_SAN: (r) => orNothing(r.upstreamLocalUri),
  UPSTREAM_PEER_URI_SAN: (r) => orNothing(r.upstreamPeerUri),
  DOWNSTREAM_LOCAL_ADDRESS: (r) => orNothing(r.downstreamLocalAddress),
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: (r) => hostOf(r.downstreamLocalAddress),
  DOWNSTREAM_LOCAL_PORT: (r) => portOf(r.downstreamLocalAddress),
  DOWNSTREAM_REMOTE_ADDRESS: (r) => orNothing(r.downstreamRemoteAddress),
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: (r) => hostOf(r.downstreamRemoteAddress),
  DOWNSTREAM_REMOTE_PORT: (r) => portOf(r.downstreamRemoteAddress),
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS: (r) => orNothing(r.downstreamDirectLocalAddress),
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT: (r) => hostOf(r.downstreamDirectLocalAddress),
  DOWNSTREAM_DIRECT_LOCAL_PORT: (r) => portOf(r.downstreamDirectLocalAddress),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: (r) => orNothing(r.downstreamDirectRemoteAddress),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: (r) => hostOf(r.downstreamDirectRemoteAddress),
  DOWNSTREAM_DIRECT_REMOTE_PORT: (r) => portOf(r.downstreamDirectRemoteAddress),
  FILTER_CHAIN_NAME: (r) => orNothing(r.filterChainName),
  DOWNSTREAM_PEER_URI_SAN: (r) => orNothing(r.downstreamPeerUri),
  DOWNSTREAM_LOCAL_URI_SAN: (r) => orNothing(r.downstreamLocalUri),
  DOWNSTREAM_TLS_VERSION: (r) => orNothing(r.downstreamTlsVersion),
  REQUESTED_SERVER_NAME: (r) => orNothing(r.requestedServerName),
  CONNECTION_ID: (r) => r.connectionId,
};

/** Operators with an argument, such as `REQ(USER-AGENT)`. */
const argumentOperators: Readonly<Record<string, (argument: string) => Parsed<Operator>>> = {
  REQ: (argument) => goodOperator(firstOf(argument, requestHeader)),
  RESP: (argument) => goodOperator(firstOf(argument, (name) => (r) => headerOf(r.responseHeaders, name))),
  TRAILER: (argument) => goodOperator(firstOf(argument, (name) => (r) => headerOf(r.responseTrailers, name))),
  DYNAMIC_METADATA: (argument) => goodOperator(metadataOf(argument.split(':'), ({ metadata }) => metadata)),
  CLUSTER_METADATA: (argument) => goodOperator(metadataOf(argument.split(':'), (r) => r.clusterMetadata)),
  UPSTREAM_METADATA: (argument) => goodOperator(metadataOf(argument.split(':'), (r) => r.endpointMetadata)),
  METADATA: anyMetadata,
  GRPC_STATUS: grpcStatus,
  ENVIRONMENT: environment,
  QUERY_PARAM: queryParameter,
  COMMON_DURATION: commonDuration,
  PATH: pathOf,
  EMIT_TIME: (argument) => {
    const format = compileTimeFormat(argument);
    return format.ok ? goodOperator(() => format.value(Date.now())) : format;
  },
  FILTER_STATE: filterState,
  START_TIME: (argument) => {
    const format = compileTimeFormat(argument);
    return format.ok ? goodOperator((r) => format.value(r.startTimeMs)) : format;
  },
};

export function compileOperator(command: Command): Parsed<Operator> {
  const found = findOperator(command);
  const { maxLength } = command;
  if (!found.ok || maxLength === undefined) return found;
  const operator = found.value;
  return goodOperator((record) => {
    const value = operator(record);
    return typeof value === 'string' ? value.slice(0, maxLength) : value;
  });
}

function findOperator({ name, argument }: Command): Parsed<Operator> {
  if (name === 'START_TIME' && (argument === undefined || argument === '')) {
    return goodOperator((record) => isoTime(record.startTimeMs));
  }
  if (name === 'EMIT_TIME' && (argument === undefined || argument === ''))
    return goodOperator(() => isoTime(Date.now()));
  if (name === 'GRPC_STATUS' && argument === undefined) return grpcStatus();
  if (name === 'PATH' && argument === undefined) return pathOf('');
  if (name === 'HOSTNAME' && argument === undefined) return goodOperator(hostName());
  const withArgument = Object.hasOwn(argumentOperators, name) ? argumentOperators[name] : undefined;
  if (withArgument !== undefined) {
    if (argument === undefined || argument === '')
      return badOperator(`operator %${name}% needs an argument, such as %${name}(NAME)%`);
    return withArgument(argument);
  }
  const plain = Object.hasOwn(plainOperators, name) ? plainOperators[name] : undefined;
  if (plain === undefined) return badOperator(`operator %${name}% is not supported`);
  return argument === undefined ? goodOperator(plain) : badOperator(`operator %${name}% takes no argument`);
}

/** `KEY`, `KEY:TYPED` or `KEY:PLAIN`. */
function filterState(argument: string): Parsed<Operator> {
  const [key = '', form = 'TYPED', ...more] = argument.split(':');
  const plain = form === 'PLAIN';
  if (more.length > 0 || !(plain || form === 'TYPED')) {
    return badOperator(`%FILTER_STATE(${argument})% is not supported: only :PLAIN and :TYPED are`);
  }
  return goodOperator((record) => record.filterState?.(key, plain));
}

/** `X?Y`: header X, or Y where X is absent. */
function firstOf(argument: string, read: (name: string) => Operator): Operator {
  const [main, alternative] = argument.toLowerCase().split('?').map(read);
  if (alternative === undefined) return main!;
  return (record) => main!(record) ?? alternative(record);
}

function requestHeader(name: string): Operator {
  switch (name) {
    case ':method':
      return (r) => orNothing(r.method);
    case ':path':
      return (r) => orNothing(r.path);
    case ':authority':
    case 'host':
      return (r) => (r.hostIsEmpty === true ? '' : orNothing(r.authority));
    case ':scheme':
      return (r) => orNothing(r.scheme ?? '');
    case 'x-envoy-original-path':
      return (r) => orNothing(r.originalPath) ?? headerOf(r.requestHeaders, name);
    default:
      return (r) => headerOf(r.requestHeaders, name);
  }
}

/** `KIND:NAMESPACE:KEY`. */
function anyMetadata(argument: string): Parsed<Operator> {
  const [kind = '', ...path] = argument.split(':');
  const read = metadataKinds[kind];
  if (read === undefined || path.length === 0) {
    const known = Object.keys(metadataKinds).join(', ');
    return badOperator(`%METADATA(${argument})%: must be KIND:NAMESPACE:KEY with a kind of ${known}`);
  }
  return goodOperator(metadataOf(path, read));
}

const metadataKinds: Readonly<Record<string, (record: AccessRecord) => FilterMetadata | undefined>> = {
  DYNAMIC: ({ metadata }) => metadata,
  CLUSTER: (r) => r.clusterMetadata,
  ROUTE: (r) => r.routeMetadata,
  UPSTREAM_HOST: (r) => r.endpointMetadata,
};

/** `NAMESPACE:KEY` is a text, `NAMESPACE` an object of all its keys. */
function metadataOf(
  [namespace = '', ...path]: readonly string[],
  read: (record: AccessRecord) => FilterMetadata | undefined,
): Operator {
  const typed = (record: AccessRecord): MetadataValue | undefined => {
    let value: MetadataValue | undefined = read(record)?.[namespace];
    for (const step of path) {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
      value = (value as Readonly<Record<string, MetadataValue>>)[step];
    }
    return value;
  };
  const text = (record: AccessRecord): string | undefined => {
    const value = typed(record);
    return value === undefined || typeof value === 'string' ? value : jsonOf(value);
  };
  return Object.assign(text, { typed });
}

/** With the fields of objects in the order of their names (Envoy). */
function jsonOf(value: MetadataValue): string {
  return JSON.stringify(value, (_, part: MetadataValue) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

/** The first value of header `name` in a flat list. */
function headerOf(headers: readonly string[], name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] === name) return headers[i + 1];
  }
  return undefined;
}
