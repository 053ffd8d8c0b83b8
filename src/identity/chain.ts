/** The way from a certificate to a root, one signature after the other. */
import type { X509Certificate } from 'node:crypto';
import { certificateDetails, keyUsageBit } from './certificate-details.ts';

export interface ChainPath {
  /** Who signed the leaf: the root itself, or an intermediate. */
  readonly issuer: X509Certificate;
  /** How many certificates stand between the leaf and the root. */
  readonly intermediates: number;
}

/** A chain longer than this is refused; meshes use two or three. */
const MAX_CHAIN = 8;

/**
 * Follows the chain the peer sent until one of `roots` signed; undefined where none did. Times and
 * purposes are not looked at: OpenSSL has done so, or {@link maySignBelow} is to be asked.
 */
export function pathToRoot(
  leaf: X509Certificate,
  roots: readonly X509Certificate[],
  accepts: (authority: X509Certificate, below: number) => boolean = isAuthority,
): ChainPath | undefined {
  const presented = chainOf(leaf);
  let issuerOfLeaf: X509Certificate | undefined;
  let child = leaf;
  for (let depth = 0; depth < MAX_CHAIN; depth++) {
    const signs = (candidate: X509Certificate): boolean =>
      isSignedBy(child, candidate) && accepts(candidate, depth);
    const root = roots.find(signs);
    if (root !== undefined) return { issuer: issuerOfLeaf ?? root, intermediates: depth };
    const at = presented.findIndex((candidate) => candidate.ca && signs(candidate));
    const [issuer] = at === -1 ? [] : presented.splice(at, 1);
    if (issuer === undefined) return undefined;
    issuerOfLeaf ??= issuer;
    child = issuer;
  }
  return undefined;
}

/** What came after the leaf, in the order it was sent, which need not be that of the signatures. */
function chainOf(leaf: X509Certificate): X509Certificate[] {
  const chain: X509Certificate[] = [];
  for (let next = leaf.issuerCertificate; next !== undefined && chain.length < MAX_CHAIN; ) {
    chain.push(next);
    next = next.issuerCertificate;
  }
  return chain;
}

function isAuthority(): boolean {
  return true;
}

/**
 * Whether a certificate may have signed another with `below` authorities between it and the leaf. For
 * chains that OpenSSL has not accepted; one that limits the names below is not followed.
 */
export function maySignBelow(authority: X509Certificate, below: number): boolean {
  const details = certificateDetails(authority.raw);
  const signs = details.keyUsage === undefined || (details.keyUsage & (1 << keyUsageBit.keyCertSign)) !== 0;
  const isDeepEnough = details.pathLength === undefined || details.pathLength >= below;
  return details.isAuthority && signs && isDeepEnough && !details.limitsNames;
}

function isSignedBy(child: X509Certificate, issuer: X509Certificate): boolean {
  return child.checkIssued(issuer) && child.verify(issuer.publicKey);
}
