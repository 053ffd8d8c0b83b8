/**
 * `RouteAction.HashPolicy`: what the hash of a request is computed from, compiled to a function. Equal
 * hashes go to equal endpoints where the cluster's policy hashes. The hashes are Envoy's.
 */
import type { Word64 } from '#core/word64.ts';
import { hashByteString } from '#core/xxhash64.ts';
import type {
  RouteAction_HashPolicy_Cookie as Cookie,
  RouteAction_HashPolicy as HashPolicy,
  RouteAction_HashPolicy_Header as Header,
} from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import { byteString, type Findings } from '../findings.ts';
import { cookieValue, type HeaderSource, queryValue } from './header-match.ts';
import { readCookie } from './set-cookie.ts';
import { compileSubstitution } from './substitution.ts';

/** What is hashed of a request, or of a connection without HTTP, which has empty headers. */
export interface HashSource extends HeaderSource {
  /** The client, as `x-forwarded-for` may tell; '' where it has no address. */
  readonly clientIp: string;
  /** Both ends of the connection, `127.0.0.1:50000`; a new cookie is made of them. */
  readonly remoteAddress: string;
  readonly localAddress: string;
  /** Hashable text of the filter state; undefined where there is none. */
  filterState(key: string): string | undefined;
  /** Takes note of a `set-cookie` for the response. */
  setCookie(value: string): void;
}

/** Puts the hash into `into`. @returns whether there is one. */
export type RequestHash = (source: HashSource, into: Word64) => boolean;

/** Undefined for an empty list. */
export function compileHashPolicy(
  policies: readonly HashPolicy[],
  path: string,
  findings: Findings,
): RequestHash | undefined {
  const parts = policies.map((policy, i) => ({
    hash: compilePart(policy, `${path}[${i}]`, findings),
    terminal: policy.terminal,
  }));
  if (parts.length === 0) return undefined;
  const part: Word64 = { hi: 0, lo: 0 };
  return (source, into) => {
    let found = false;
    for (const { hash, terminal } of parts) {
      if (hash(source, part)) {
        combine(into, part, found);
        found = true;
      }
      if (terminal && found) break;
    }
    return found;
  };
}

/** The old hash is rotated, so that two equal parts do not cancel each other out. */
function combine(into: Word64, part: Word64, found: boolean): void {
  const hi = found ? (into.hi << 1) | (into.lo >>> 31) : 0;
  const lo = found ? (into.lo << 1) | (into.hi >>> 31) : 0;
  into.hi = (hi ^ part.hi) >>> 0;
  into.lo = (lo ^ part.lo) >>> 0;
}

function compilePart(policy: HashPolicy, path: string, findings: Findings): RequestHash {
  const { policySpecifier: specifier } = policy;
  switch (specifier.case) {
    case 'header':
      return hashOfHeader(specifier.value, `${path}.header`, findings);
    case 'cookie':
      return hashOfCookie(specifier.value, `${path}.cookie`, findings);
    case 'connectionProperties':
      if (!specifier.value.sourceIp) return () => false;
      return (source, into) => hashed(source.clientIp === '' ? undefined : source.clientIp, into);
    case 'queryParameter': {
      const name = byteString(specifier.value.name);
      if (name === '') findings.error(`${path}.query_parameter.name`, 'is missing');
      return (source, into) => hashed(queryValue(source.path, name), into);
    }
    case 'filterState': {
      const { key } = specifier.value;
      if (key === '') findings.error(`${path}.filter_state.key`, 'is missing');
      return (source, into) => hashed(source.filterState(key), into);
    }
    default:
      findings.error(path, 'names nothing to hash');
      return () => false;
  }
}

function hashed(text: string | undefined, into: Word64): boolean {
  if (text === undefined) return false;
  hashByteString(text, 0, into);
  return true;
}

function hashOfHeader(header: Header, path: string, findings: Findings): RequestHash {
  const name = header.headerName.toLowerCase();
  if (name === '') findings.error(`${path}.header_name`, 'is missing');
  const { regexRewrite } = header;
  const regex = regexRewrite && compileSubstitution(regexRewrite, `${path}.regex_rewrite`, findings);
  const substitution = byteString(regexRewrite?.substitution ?? '');
  const rewritten = (value: string): string => regex?.replaceAll(value, substitution) ?? value;
  return (source, into) => {
    const first = firstValue(source, name);
    if (first === undefined) return false;
    const count = name.startsWith(':') ? 1 : countOf(source.requestHeaders, name);
    if (count <= 1) return hashed(rewritten(first), into);
    const values: string[] = [];
    for (let i = 0; i < source.requestHeaders.length; i += 2) {
      if (source.requestHeaders[i] === name) values.push(rewritten(source.requestHeaders[i + 1]!));
    }
    // In order, so that the order of the fields does not count; each hash is the seed of the next.
    into.hi = 0;
    into.lo = 0;
    for (const value of values.sort()) hashByteString(value, into.lo, into, into.hi);
    return true;
  };
}

function firstValue(source: HashSource, name: string): string | undefined {
  switch (name) {
    case ':path':
      return source.path;
    case ':method':
      return source.method;
    case ':scheme':
      return source.scheme;
    case ':authority':
    case 'host':
      return source.authority;
    default: {
      const { requestHeaders } = source;
      for (let i = 0; i < requestHeaders.length; i += 2) {
        if (requestHeaders[i] === name) return requestHeaders[i + 1];
      }
      return undefined;
    }
  }
}

function countOf(headers: readonly string[], name: string): number {
  let count = 0;
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) count++;
  return count;
}

function hashOfCookie(cookie: Cookie, path: string, findings: Findings): RequestHash {
  const { name, ttlMs, header } = readCookie(cookie, path, findings);
  return (source, into) => {
    const value = cookieValue(source.requestHeaders, name);
    if (value !== undefined && value !== '') return hashed(value, into);
    if (ttlMs === undefined) return false;
    // The same on one connection, so that requests that race get the same cookie.
    hashByteString(source.remoteAddress + source.localAddress, 0, into);
    const made = hex(into.hi) + hex(into.lo);
    source.setCookie(header(made));
    return hashed(made, into);
  };
}

function hex(word: number): string {
  return word.toString(16).padStart(8, '0');
}
