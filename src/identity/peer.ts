/**
 * Who is at the other end of a TLS connection. Asked after every handshake, resumed ones too:
 * OpenSSL says whether *some* root vouches for the chain, this says whether a root of the trust
 * domain that the certificate names does.
 */
import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { spiffeIdOf } from './certificate.ts';
import { pathToRoot } from './chain.ts';
import type { SpiffeId } from './spiffe-id.ts';
import type { TrustBundle, TrustBundles } from './trust-bundle.ts';

export type PeerVerdict =
  | { readonly ok: true; readonly id: SpiffeId }
  | { readonly ok: false; readonly reason: PeerRefusal };

export type PeerRefusal =
  | 'no-certificate'
  | 'not-authorized'
  | 'expired'
  | 'not-one-spiffe-id'
  | 'unknown-trust-domain'
  | 'root-of-another-trust-domain';

/** What is asked of a TLS socket. */
export type PeerSocket = Pick<TLSSocket, 'authorized' | 'getPeerX509Certificate'>;

/** The identity of the peer of `socket`, and a reason where it has none. */
export function verifyPeer(
  socket: PeerSocket,
  bundles: TrustBundles,
  nowMs: number = Date.now(),
): PeerVerdict {
  const leaf = socket.getPeerX509Certificate();
  if (leaf === undefined) return { ok: false, reason: 'no-certificate' };
  if (socket.authorized !== true) return { ok: false, reason: 'not-authorized' };
  return verifyChain(leaf, bundles, nowMs);
}

/**
 * The identity of a certificate whose chain OpenSSL has already accepted: exactly one SPIFFE URI, and
 * a chain that ends in a root of that id's trust domain. Its end is looked at again, for OpenSSL
 * does not when a session is resumed.
 */
export function verifyChain(
  leaf: X509Certificate,
  bundles: TrustBundles,
  nowMs: number = Date.now(),
): PeerVerdict {
  if (leaf.validToDate.getTime() <= nowMs) return { ok: false, reason: 'expired' };
  const id = spiffeIdOf(leaf);
  // A CA, and an id without a path, stand for a trust domain and not for a workload (X.509-SVID §5.2).
  if (id === undefined || id.path === '' || leaf.ca) return { ok: false, reason: 'not-one-spiffe-id' };
  const bundle = bundles.get(id.trustDomain);
  if (bundle === undefined) return { ok: false, reason: 'unknown-trust-domain' };
  if (!isKnownToEndIn(leaf, bundle)) return { ok: false, reason: 'root-of-another-trust-domain' };
  return { ok: true, id };
}

/** Leaves already found to end in a bundle, by fingerprint: saves the signature checks, and a resumed session may come without its intermediates. */
const verified = new WeakMap<TrustBundle, Set<string>>();
const MAX_REMEMBERED = 4096;

function isKnownToEndIn(leaf: X509Certificate, bundle: TrustBundle): boolean {
  let known = verified.get(bundle);
  if (known === undefined) {
    known = new Set();
    verified.set(bundle, known);
  }
  const fingerprint = leaf.fingerprint256;
  if (known.has(fingerprint)) return true;
  if (pathToRoot(leaf, bundle.roots) === undefined) return false;
  if (known.size >= MAX_REMEMBERED) known.clear();
  known.add(fingerprint);
  return true;
}
