/**
 * The command operators of an access log (Envoy, "Access logging"): each becomes a function that
 * reads one thing of an {@link AccessRecord}.
 */
import type { Parsed, Problem } from '#core/problem.ts';
import type { AccessRecord, MetadataValue } from './access-record.ts';
import type { Command } from './format-string.ts';
import { compileTimeFormat, isoTime } from './time-format.ts';

/** What an operator finds; undefined is shown as `-` in a text and `null` in JSON. */
export type Operator = (record: AccessRecord) => string | number | undefined;

const orNothing = (text: string): string | undefined => (text === '' ? undefined : text);

function elapsed(fromMs: number, toMs: number): number | undefined {
  return toMs < 0 ? undefined : Math.max(0, Math.floor(toMs - fromMs));
}

/** Without the port, and IPv6 without its brackets; a path as it is. */
function hostOf(address: string): string | undefined {
  const host = /^(?:\[(.*)\]|([^/:]*)):\d+$/.exec(address);
  return orNothing(host === null ? address : (host[1] ?? host[2]!));
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
  REQ: (argument) => good(firstOf(argument, requestHeader)),
  RESP: (argument) => good(firstOf(argument, (name) => (r) => headerOf(r.responseHeaders, name))),
  TRAILER: (argument) => good(firstOf(argument, (name) => (r) => headerOf(r.responseTrailers, name))),
  DYNAMIC_METADATA: (argument) => good(metadataOf(argument.split(':'))),
  FILTER_STATE: filterState,
  START_TIME: (argument) => {
    const format = compileTimeFormat(argument);
    return format.ok ? good((r) => format.value(r.startTimeMs)) : format;
  },
};

export function compileOperator(command: Command): Parsed<Operator> {
  const found = findOperator(command);
  const { maxLength } = command;
  if (!found.ok || maxLength === undefined) return found;
  const operator = found.value;
  return good((record) => {
    const value = operator(record);
    return typeof value === 'string' ? value.slice(0, maxLength) : value;
  });
}

function findOperator({ name, argument }: Command): Parsed<Operator> {
  if (name === 'START_TIME' && (argument === undefined || argument === '')) {
    return good((record) => isoTime(record.startTimeMs));
  }
  const withArgument = Object.hasOwn(argumentOperators, name) ? argumentOperators[name] : undefined;
  if (withArgument !== undefined) {
    if (argument === undefined || argument === '')
      return bad(`operator %${name}% needs an argument, such as %${name}(NAME)%`);
    return withArgument(argument);
  }
  const plain = Object.hasOwn(plainOperators, name) ? plainOperators[name] : undefined;
  if (plain === undefined) return bad(`operator %${name}% is not supported`);
  return argument === undefined ? good(plain) : bad(`operator %${name}% takes no argument`);
}

/** `KEY`, `KEY:TYPED` or `KEY:PLAIN`. */
function filterState(argument: string): Parsed<Operator> {
  const [key = '', form = 'TYPED', ...more] = argument.split(':');
  const plain = form === 'PLAIN';
  if (more.length > 0 || !(plain || form === 'TYPED')) {
    return bad(`%FILTER_STATE(${argument})% is not supported: only :PLAIN and :TYPED are`);
  }
  return good((record) => record.filterState?.(key, plain));
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

/** `NAMESPACE:KEY` is a text, `NAMESPACE` an object of all its keys. */
function metadataOf([namespace = '', key, ...deeper]: readonly string[]): Operator {
  if (key === undefined) {
    return ({ metadata }) => metadata?.[namespace] && jsonOf(metadata[namespace]);
  }
  const path = [key, ...deeper];
  return ({ metadata }) => {
    let value: MetadataValue | undefined = metadata?.[namespace];
    for (const step of path) {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
      value = (value as Readonly<Record<string, MetadataValue>>)[step];
    }
    return value === undefined || typeof value === 'string' ? value : jsonOf(value);
  };
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

function good(value: Operator): Parsed<Operator> {
  return { ok: true, value, problems: [] };
}

function bad(message: string): Parsed<Operator> {
  const problems: Problem[] = [{ level: 'error', message }];
  return { ok: false, problems };
}
