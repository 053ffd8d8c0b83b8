/** The mesh's certificate authority: decides names and validity, and signs. */
import type { SpiffeId } from '#identity/spiffe-id.ts';
import type { Root } from './root.ts';

export interface AuthoritySettings {
  readonly trustDomain: string;
  readonly root: Root;
  readonly nowMs: () => number;
  /** Life of a certificate where the request names none. */
  readonly defaultLifeMs: number;
  /** No certificate lives longer, whatever is asked. */
  readonly maxLifeMs: number;
}

export interface Authority {
  readonly trustDomain: string;
  readonly rootPem: string;
  /**
   * A chain, leaf first and root last, for the key of a PEM signing request; undefined where the
   * request is not one, or not signed by its own key. The names in the request are not looked at.
   * @param lifeMs 0 or less: the default.
   */
  sign(requestPem: string, id: SpiffeId, lifeMs: number): Promise<readonly string[] | undefined>;
  /** A leaf with a new key for a server of this process, found by these names. */
  signServer(id: SpiffeId, names: ServerNames): Promise<ServerCertificate>;
}

export interface ServerNames {
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
}

export interface ServerCertificate {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
  readonly notAfterMs: number;
}

export const DEFAULT_LIFE_MS: number = 24 * 3_600_000;
/** Istio's `MAX_WORKLOAD_CERT_TTL`. */
export const MAX_LIFE_MS: number = 90 * 24 * 3_600_000;
/** A shorter life would be spent renewing. */
const MIN_LIFE_MS = 1_000;
/** For hosts whose clock is behind ours (Istio's `CLOCK_SKEW`). */
const BACKDATE_MS = 120_000;

export async function createAuthority(settings: AuthoritySettings): Promise<Authority> {
  const { trustDomain, root, nowMs, defaultLifeMs, maxLifeMs } = settings;
  const { issueForRequest, issueWithNewKey, readIssuer } = await import('#identity/issue.ts');
  const issuer = await readIssuer(root);
  const rootNotAfterMs = issuer.certificate.notAfter.getTime();

  const validity = (lifeMs: number): { notBefore: Date; notAfter: Date } => {
    const wantedMs = lifeMs > 0 ? lifeMs : defaultLifeMs;
    const boundedMs = Math.min(Math.max(wantedMs, MIN_LIFE_MS), maxLifeMs);
    const notAfterMs = Math.min(nowMs() + boundedMs, rootNotAfterMs);
    return { notBefore: new Date(nowMs() - BACKDATE_MS), notAfter: new Date(notAfterMs) };
  };

  return {
    trustDomain,
    rootPem: root.certificatePem,
    async sign(requestPem, id, lifeMs): Promise<readonly string[] | undefined> {
      const leaf = await issueForRequest(issuer, requestPem, { id }, validity(lifeMs));
      return leaf === undefined ? undefined : [leaf, root.certificatePem];
    },
    async signServer(id, names): Promise<ServerCertificate> {
      const period = validity(defaultLifeMs);
      const leaf = await issueWithNewKey(issuer, { id, ...names }, period);
      return { ...leaf, notAfterMs: period.notAfter.getTime() };
    },
  };
}
