/**
 * What a connection manager does to the head of a request before routing (Envoy, "HTTP header
 * manipulation"): who the client is, which of its headers are believed, and a request id.
 */
import {
  filterHeaders,
  type HeaderList,
  hasHeader,
  headerOf,
  removeHeader,
  setHeader,
} from '#http/header-list.ts';
import { findName, hashStep, mark, marksAt } from '#http/header-name.ts';
import { forwardClientCert } from './client-cert.ts';
import type { DownstreamFacts, HcmRuntime } from './runtime.ts';

/** What is changed; the exchange. */
export interface MutableHead {
  requestHeaders: HeaderList;
  readonly method: string;
  scheme: string;
  downstreamRemoteAddress: string;
}

const NEVER_FORWARDED = mark.connection | mark.hopByHop | mark.upgrade | mark.transferEncoding | mark.host;

/** Drops what is for this connection only from the head of a request (RFC 9110 §7.6.1). */
export function dropHopByHop(headers: HeaderList, marks: number, connection: string): void {
  if ((marks & (NEVER_FORWARDED | mark.te)) === 0) return;
  const nominated = connection === '' ? undefined : nominatedBy(connection);
  let to = 0;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!;
    switch (name) {
      case 'connection':
      case 'keep-alive':
      case 'proxy-connection':
      case 'upgrade':
      case 'transfer-encoding':
      case 'host':
        continue;
      case 'te':
        if (!/(?:^|,)[ \t]*trailers[ \t]*(?:,|$)/i.test(headers[i + 1]!)) continue;
        headers[i + 1] = 'trailers';
    }
    if (nominated !== undefined && name !== 'te' && nominated.has(name)) continue;
    if (to !== i) {
      headers[to] = name;
      headers[to + 1] = headers[i + 1]!;
    }
    to += 2;
  }
  headers.length = to;
}

const OF_ONE_CONNECTION = mark.connection | mark.hopByHop | mark.upgrade | mark.transferEncoding;

/** The same for a response: what it says itself about its connection holds for nobody else, as in Envoy. */
export function dropResponseHopByHop(headers: HeaderList, marks: number): void {
  if ((marks & OF_ONE_CONNECTION) !== 0) filterHeaders(headers, isEndToEnd);
}

function isEndToEnd(name: string): boolean {
  switch (name) {
    case 'connection':
    case 'keep-alive':
    case 'proxy-connection':
    case 'upgrade':
    case 'transfer-encoding':
      return false;
    default:
      return true;
  }
}

function nominatedBy(connection: string): Set<string> | undefined {
  const lower = connection.toLowerCase();
  if (lower === 'keep-alive' || lower === 'close') return undefined;
  return new Set(lower.split(',').map((name) => name.trim()));
}

export function mutateRequestHead(
  head: MutableHead,
  marks: number,
  facts: DownstreamFacts,
  runtime: HcmRuntime,
): void {
  const { settings } = runtime;
  const headers = head.requestHeaders;
  if (settings.useRemoteAddress) markEdge(head, marks, facts, runtime);
  else {
    const forwarded = (marks & mark.forwardedFor) === 0 ? undefined : headerOf(headers, 'x-forwarded-for');
    const trusted = forwarded === undefined ? undefined : addressFromRight(forwarded, settings.trustedHops);
    if (trusted !== undefined) head.downstreamRemoteAddress = `${trusted}:0`;
    if ((marks & mark.forwardedProto) === 0)
      headers.push('x-forwarded-proto', facts.secure ? 'https' : 'http');
  }
  if (settings.appendForwardedPort && !hasHeader(headers, 'x-forwarded-port')) {
    headers.push('x-forwarded-port', String(facts.localPort));
  }
  const { clientCert } = settings;
  if (clientCert.forward !== 'sanitize' || (marks & mark.clientCert) !== 0) {
    forwardClientCert(headers, clientCert, facts.certificate);
  }
  if (settings.generateRequestId) setRequestId(headers, marks, runtime);
  const proto = headerOf(headers, 'x-forwarded-proto');
  if (proto === 'https' || proto === 'http') head.scheme = proto;
}

/** The client is outside: it is named, and what only insiders may say is dropped. */
function markEdge(head: MutableHead, marks: number, facts: DownstreamFacts, runtime: HcmRuntime): void {
  const { settings } = runtime;
  const headers = head.requestHeaders;
  let client = facts.remoteIp;
  const before = (marks & mark.forwardedFor) === 0 ? undefined : headerOf(headers, 'x-forwarded-for');
  if (settings.trustedHops > 0 && before !== undefined) {
    const trusted = addressFromRight(before, settings.trustedHops - 1);
    if (trusted !== undefined) {
      client = trusted;
      head.downstreamRemoteAddress = `${trusted}:0`;
    }
  }
  if (!settings.skipForwardedFor && facts.remoteIp !== '') {
    const own = isLoopback(facts.remoteIp) ? runtime.localAddress : facts.remoteIp;
    if (before === undefined) headers.push('x-forwarded-for', own);
    else setHeader(headers, 'x-forwarded-for', `${before},${own}`);
  }
  const proto = facts.secure ? 'https' : 'http';
  if ((marks & mark.forwardedProto) === 0) headers.push('x-forwarded-proto', proto);
  else if (settings.trustedHops === 0) setHeader(headers, 'x-forwarded-proto', proto);
  if ((marks & mark.envoyInternal) !== 0) filterHeaders(headers, isBelieved);
  if (client !== '') headers.push('x-envoy-external-address', client);
}

function isBelieved(name: string): boolean {
  if (!name.startsWith('x-envoy-')) return true;
  let hash = 0;
  for (let i = 0; i < name.length; i++) hash = hashStep(hash, name.charCodeAt(i));
  const slot = findName(name, 0, name.length, hash);
  return slot === -1 || (marksAt(slot) & mark.envoyInternal) === 0;
}

function setRequestId(headers: HeaderList, marks: number, runtime: HcmRuntime): void {
  const { settings } = runtime;
  if ((marks & mark.requestId) === 0) headers.push('x-request-id', runtime.random.uuid());
  else if (settings.useRemoteAddress && !settings.preserveExternalRequestId) {
    setHeader(headers, 'x-request-id', runtime.random.uuid());
  }
}

/** The address `hops` places from the right of x-forwarded-for; undefined where there are fewer. */
function addressFromRight(list: string, hops: number): string | undefined {
  const addresses = list.split(',');
  const address = addresses[addresses.length - 1 - hops]?.trim();
  return address !== undefined && /^[0-9a-fA-F:.]+$/.test(address) ? address : undefined;
}

function isLoopback(ip: string): boolean {
  return ip.startsWith('127.') || ip === '::1';
}

/** Host and port rules of the listener. */
export function normalizeAuthority(authority: string, facts: DownstreamFacts, runtime: HcmRuntime): string {
  const { stripPort, stripTrailingDot } = runtime.settings;
  if (stripPort === 'none' && !stripTrailingDot) return authority;
  const colon = authority.lastIndexOf(':');
  const hasPort = colon !== -1 && authority.indexOf(']', colon) === -1;
  let host = hasPort ? authority.slice(0, colon) : authority;
  let port = hasPort ? authority.slice(colon) : '';
  if (stripTrailingDot && host.endsWith('.')) host = host.slice(0, -1);
  if (stripPort === 'any' || (stripPort === 'matching' && port === `:${facts.localPort}`)) port = '';
  return host + port;
}

/** Whether a `content-type` is gRPC's. */
export function isGrpcType(type: string): boolean {
  return type.startsWith('application/grpc') && (type.length === 16 || type[16] === '+' || type[16] === ';');
}

/** Drops `expect: 100-continue` (RFC 9110 §10.1.1). @returns whether it was there */
export function takeExpectation(headers: HeaderList): boolean {
  return headerOf(headers, 'expect')?.toLowerCase() === '100-continue' && removeHeader(headers, 'expect');
}
