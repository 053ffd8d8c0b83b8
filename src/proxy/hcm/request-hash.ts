/** The hash of a request for clusters whose policy sends equal hashes to equal endpoints. */
import type { Word64 } from '#core/word64.ts';
import type { HashSource } from '../route/hash-policy.ts';
import type { HeaderSource } from '../route/header-match.ts';
import type { Chosen } from './destination.ts';
import type { HttpExchange } from './exchange.ts';

export interface HashedRequest {
  readonly hash: Word64;
  /** Values of `set-cookie` for the response. */
  readonly cookies: readonly string[];
}

/** Undefined where the cluster does not hash, or nothing that is to be hashed is there. */
export function hashRequest(exchange: HttpExchange, { action, cluster }: Chosen): HashedRequest | undefined {
  const { policy, hashPolicy } = cluster.settings;
  const hashOf = hashPolicy ?? action.hash;
  if (!policy.hashes || hashOf === undefined) return undefined;
  const hash = { hi: 0, lo: 0 };
  const cookies: string[] = [];
  const source = hashSourceOf(exchange, (value) => void cookies.push(value));
  return hashOf(source, hash) ? { hash, cookies } : undefined;
}

/** The exchange, before it goes anywhere. */
interface Hashable extends HeaderSource {
  readonly downstreamRemoteAddress: string;
  readonly stream: { readonly facts: { readonly remoteAddress: string; readonly localAddress: string } };
}

/** @param setCookie takes note of a `set-cookie` for the response */
export function hashSourceOf(exchange: Hashable, setCookie: (value: string) => void): HashSource {
  const { requestHeaders, method, path, authority, scheme, downstreamRemoteAddress } = exchange;
  const { remoteAddress, localAddress } = exchange.stream.facts;
  return {
    requestHeaders,
    method,
    path,
    authority,
    scheme,
    remoteAddress,
    localAddress,
    clientIp: downstreamRemoteAddress.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1'),
    filterState: () => undefined,
    setCookie,
  };
}
