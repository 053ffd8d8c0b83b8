/** `envoy.type.v3.HashPolicy`: what the hash of a connection without HTTP is computed from. */
import type { Word64 } from '#core/word64.ts';
import { hashByteString } from '#core/xxhash64.ts';
import type { HashPolicy } from '#xds/gen/envoy/type/v3/hash_policy_pb.js';
import { byteString, type Findings } from '../findings.ts';
import type { HashSource, RequestHash } from '../route/hash-policy.ts';
import type { FilterState } from './filter-state.ts';

/** The text that is hashed; undefined where there is none. */
export type HashedText = (clientIp: string, state: FilterState) => string | undefined;

/** Undefined for an empty list. */
export function readHashPolicy(
  policies: readonly HashPolicy[],
  path: string,
  findings: Findings,
): HashedText | undefined {
  const [policy] = policies;
  if (policies.length > 1) findings.error(path, 'must not have more than one policy');
  if (policy === undefined) return undefined;
  const { policySpecifier: specifier } = policy;
  switch (specifier.case) {
    case 'sourceIp':
      return (clientIp) => (clientIp === '' ? undefined : clientIp);
    case 'filterState': {
      const { key } = specifier.value;
      if (key === '') findings.error(`${path}[0].filter_state.key`, 'is missing');
      return (_, state) => state.hashable(key);
    }
    default:
      findings.error(`${path}[0]`, 'names nothing to hash');
      return undefined;
  }
}

/** What is hashed of a connection. */
export interface HashedConnection {
  readonly clientIp: string;
  readonly remoteAddress: string;
  readonly localAddress: string;
  readonly state: FilterState;
}

/**
 * The hash for a cluster that hashes: by its own policy where it has one.
 *
 * @returns undefined where nothing that is to be hashed is there.
 */
export function hashConnection(
  connection: HashedConnection,
  own: HashedText | undefined,
  ofCluster: RequestHash | undefined,
): Word64 | undefined {
  const hash: Word64 = { hi: 0, lo: 0 };
  if (ofCluster !== undefined) return ofCluster(sourceOf(connection), hash) ? hash : undefined;
  const text = own?.(connection.clientIp, connection.state);
  if (text === undefined) return undefined;
  hashByteString(byteString(text), 0, hash);
  return hash;
}

function sourceOf({ clientIp, remoteAddress, localAddress, state }: HashedConnection): HashSource {
  return {
    requestHeaders: [],
    method: '',
    path: '',
    authority: '',
    scheme: '',
    clientIp,
    remoteAddress,
    localAddress,
    filterState: (key) => state.hashable(key),
    setCookie: () => {},
  };
}
