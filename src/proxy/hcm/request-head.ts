/**
 * What a connection manager does to the head of a request before routing (Envoy, "HTTP header
 * manipulation"): who the client is, which of its headers are believed, and a request id.
 */
import { filterHeaders, type HeaderList, headerOf, removeHeader, setHeader } from '#http/header-list.ts';
import { mark } from '#http/header-name.ts';
import type { LocalReply } from '../filter/contract.ts';
import { addressFromRight } from './client-address.ts';
import { forwardClientCert } from './client-cert.ts';
import { setRequestId } from './request-id.ts';
import { appendVia } from './response-head.ts';
import type { DownstreamFacts, HcmRuntime } from './runtime.ts';

/** What is changed; the exchange. */
export interface MutableHead {
  requestHeaders: HeaderList;
  readonly method: string;
  /** As the target or `:scheme` says, lower case; '' for nothing. */
  scheme: string;
  downstreamRemoteAddress: string;
  isInternal: boolean;
}

const SCHEMES: ReadonlySet<string> = new Set(['http', 'https']);

/** @returns a reply where the request is refused */
export function mutateRequestHead(
  head: MutableHead,
  marks: number,
  facts: DownstreamFacts,
  runtime: HcmRuntime,
): LocalReply | undefined {
  const { settings } = runtime;
  const rules = settings.head;
  const headers = head.requestHeaders;
  let isInternal: boolean;
  let client = facts.remoteIp;
  if (rules.useRemoteAddress) {
    const before = (marks & mark.forwardedFor) === 0 ? undefined : headerOf(headers, 'x-forwarded-for');
    if (before !== undefined && rules.trustedHops > 0) {
      client = addressFromRight(before, rules.trustedHops - 1) ?? client;
    }
    isInternal = before === undefined && rules.internal.has(client);
    if (!rules.skipForwardedFor) appendForwardedFor(headers, before, facts.remoteIp, runtime);
    if (rules.trustedHops === 0 && (marks & mark.forwardedProto) !== 0) {
      setHeader(headers, 'x-forwarded-proto', facts.secure ? 'https' : 'http');
    }
  } else {
    const found = detect(headers, facts, runtime);
    if (found?.refusal !== undefined) {
      runtime.stats.downstream_rq_rejected_via_ip_detection.inc();
      return found.refusal;
    }
    if (found?.appends === true) {
      appendForwardedFor(headers, headerOf(headers, 'x-forwarded-for'), facts.remoteIp, runtime);
    }
    client = found === undefined || found.address === '' ? client : found.address;
    isInternal = found?.mayBeTrusted === true && rules.internal.has(client);
  }
  if (client !== facts.remoteIp) head.downstreamRemoteAddress = withPort(client);
  setProtoAndPort(head, marks, facts, runtime);
  const isEdge = !isInternal && rules.useRemoteAddress;
  head.isInternal = isInternal;
  if (isInternal) setHeader(headers, 'x-envoy-internal', 'true');
  else {
    if ((marks & mark.envoyInternal) !== 0) filterHeaders(headers, isEdge ? isBelievedAtEdge : isBelieved);
    for (const name of runtime.routes()?.internalOnlyHeaders ?? []) removeHeader(headers, name);
  }
  if (rules.userAgent !== undefined) nameOurselves(headers, rules.userAgent, rules.nodeId);
  if (settings.via !== '') appendVia(headers, settings.via);
  if (isEdge && client !== '') {
    if ((marks & mark.envoyInternal) === 0) headers.push('x-envoy-external-address', client);
    else setHeader(headers, 'x-envoy-external-address', client);
  }
  if (rules.requestId.generates) setRequestId(headers, marks, isEdge, rules.requestId, runtime.random);
  const { clientCert } = settings;
  if (clientCert.forward !== 'sanitize' || (marks & mark.clientCert) !== 0) {
    forwardClientCert(headers, clientCert, facts.certificate);
  }
  return undefined;
}

function detect(
  headers: HeaderList,
  facts: DownstreamFacts,
  { settings }: HcmRuntime,
): ReturnType<(typeof settings.head.detections)[number]> {
  for (const detection of settings.head.detections) {
    const found = detection(headers, facts);
    if (found !== undefined && (found.address !== '' || found.refusal !== undefined || found.appends))
      return found;
  }
  return undefined;
}

function appendForwardedFor(
  headers: HeaderList,
  before: string | undefined,
  remoteIp: string,
  runtime: HcmRuntime,
): void {
  if (remoteIp === '') return;
  const own = isLoopback(remoteIp) ? runtime.localAddress : remoteIp;
  if (before === undefined) headers.push('x-forwarded-for', own);
  else setHeader(headers, 'x-forwarded-for', before === '' ? own : `${before},${own}`);
}

/** Sets what is not there yet, and the scheme, which goes by it. */
function setProtoAndPort(
  head: MutableHead,
  marks: number,
  facts: DownstreamFacts,
  runtime: HcmRuntime,
): void {
  const { head: rules } = runtime.settings;
  const headers = head.requestHeaders;
  const own = facts.secure ? 'https' : 'http';
  if ((marks & mark.forwardedProto) === 0) headers.push('x-forwarded-proto', own);
  if (rules.appendForwardedPort) {
    const before = headerOf(headers, 'x-forwarded-port');
    if (before === undefined || (rules.useRemoteAddress && rules.trustedHops === 0)) {
      setHeader(headers, 'x-forwarded-port', String(facts.localPort));
    }
  }
  if (rules.scheme !== '') {
    head.scheme = rules.scheme;
    setHeader(headers, 'x-forwarded-proto', rules.scheme);
  } else if (head.scheme === '') {
    const proto =
      (marks & mark.forwardedProto) === 0 ? own : headerOf(headers, 'x-forwarded-proto')!.toLowerCase();
    head.scheme = SCHEMES.has(proto) ? proto : own;
  }
}

/** What only those inside may say; others keep it from their own side of the edge. */
function isBelieved(name: string): boolean {
  switch (name) {
    case 'x-envoy-internal':
    case 'x-envoy-retriable-status-codes':
    case 'x-envoy-retriable-header-names':
    case 'x-envoy-retry-on':
    case 'x-envoy-retry-grpc-on':
    case 'x-envoy-max-retries':
    case 'x-envoy-upstream-alt-stat-name':
    case 'x-envoy-upstream-rq-timeout-ms':
    case 'x-envoy-upstream-rq-per-try-timeout-ms':
    case 'x-envoy-upstream-rq-timeout-alt-response':
    case 'x-envoy-expected-rq-timeout-ms':
    case 'x-envoy-force-trace':
    case 'x-envoy-ip-tags':
    case 'x-envoy-original-url':
    case 'x-envoy-hedge-on-per-try-timeout':
    case 'x-envoy-upstream-stream-duration-ms':
      return false;
    default:
      return true;
  }
}

function isBelievedAtEdge(name: string): boolean {
  switch (name) {
    case 'x-envoy-decorator-operation':
    case 'x-envoy-downstream-service-cluster':
    case 'x-envoy-downstream-service-node':
    case 'x-envoy-original-host':
    case 'x-envoy-original-path':
      return false;
    default:
      return isBelieved(name);
  }
}

/** @param userAgent name of our cluster @param nodeId '' for none */
function nameOurselves(headers: HeaderList, userAgent: string, nodeId: string): void {
  setHeader(headers, 'x-envoy-downstream-service-cluster', userAgent);
  if ((headerOf(headers, 'user-agent') ?? '') === '') setHeader(headers, 'user-agent', userAgent);
  if (nodeId !== '') setHeader(headers, 'x-envoy-downstream-service-node', nodeId);
}

/** Whether a client that did not come by TLS, as far as it can be known, is sent to where it would. */
export function mustRedirectToTls(
  host: { readonly requireTls: 'none' | 'external' | 'all' } | undefined,
  headers: HeaderList,
): boolean {
  if (host === undefined || host.requireTls === 'none') return false;
  if (headerOf(headers, 'x-forwarded-proto') === 'https') return false;
  return host.requireTls === 'all' || headerOf(headers, 'x-envoy-internal') === undefined;
}

function isLoopback(ip: string): boolean {
  return ip.startsWith('127.') || ip === '::1';
}

/** An address found in a head has no port. */
function withPort(ip: string): string {
  return ip.includes(':') ? `[${ip}]:0` : `${ip}:0`;
}

/** Host and port rules of the listener. */
export function normalizeAuthority(
  request: { authority: string; hostIsEmpty: boolean },
  facts: DownstreamFacts,
  { settings: { stripPort, stripTrailingDot } }: HcmRuntime,
): void {
  if (request.authority === '') return;
  if (stripTrailingDot) request.authority = withoutTrailingDot(request.authority);
  if (stripPort !== 'none') {
    const { authority } = request;
    const colon = authority.lastIndexOf(':');
    const hasPort = colon !== -1 && authority.indexOf(']', colon) === -1;
    if (hasPort && (stripPort === 'any' || authority.slice(colon) === `:${facts.localPort}`))
      request.authority = authority.slice(0, colon);
  }
  if (request.authority === '') request.hostIsEmpty = true;
}

/** The last dot, where nothing or a colon follows (Envoy, `HeaderUtility::stripTrailingHostDot`). */
function withoutTrailingDot(authority: string): string {
  const dot = authority.lastIndexOf('.');
  const next = dot + 1;
  const ends = dot !== -1 && (next === authority.length || authority[next] === ':');
  return ends ? authority.slice(0, dot) + authority.slice(next) : authority;
}

/** Whether a `content-type` is gRPC's: with parameters it is not (Envoy, `Grpc::Common::hasGrpcContentType`). */
export function isGrpcType(type: string): boolean {
  return type.startsWith('application/grpc') && (type.length === 16 || type[16] === '+');
}
