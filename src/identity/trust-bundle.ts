/** Which roots may vouch for which trust domain (SPIFFE Trust Domain and Bundle, section 4). */
import type { X509Certificate } from 'node:crypto';
import { certificatesFromPem } from './certificate.ts';

/** The roots of one trust domain. */
export interface TrustBundle {
  readonly trustDomain: string;
  readonly rootsPem: string;
  readonly roots: readonly X509Certificate[];
}

/** By trust domain. A root listed for one domain says nothing about another. */
export type TrustBundles = ReadonlyMap<string, TrustBundle>;

/** Throws a plain `Error` where the PEM holds no certificate, or one that cannot be read. */
export function trustBundle(trustDomain: string, rootsPem: string): TrustBundle {
  const roots = certificatesFromPem(rootsPem);
  if (roots.length === 0) throw new Error(`the trust bundle of "${trustDomain}" holds no certificate`);
  return { trustDomain, rootsPem, roots };
}

/** A table of bundles; the last one of a trust domain counts. */
export function trustBundles(...bundles: readonly TrustBundle[]): TrustBundles {
  return new Map(bundles.map((bundle) => [bundle.trustDomain, bundle]));
}
