/**
 * Who is let in: asked after every handshake, resumed ones too. OpenSSL has verified the chain where
 * there are roots; all that it does not look at is looked at here.
 */
import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { certificatesFromPem } from '#identity/certificate.ts';
import { certificateDetails, keyUsageBit } from '#identity/certificate-details.ts';
import { type ChainPath, maySignBelow, pathToRoot } from '#identity/chain.ts';
import { type PeerRefusal, verifyChain } from '#identity/peer.ts';
import type { PeerCertificate } from '#identity/peer-certificate.ts';
import { type RevocationList, revocationLists, revocationReason } from '#identity/revocation-list.ts';
import { type TrustBundles, trustBundle, trustBundles } from '#identity/trust-bundle.ts';
import type { TlsPeer } from './peer.ts';
import { compileSanMatch, matchAnyOf, type SanMatch } from './san-match.ts';
import { sessionFacts } from './session-facts.ts';
import { asksForCertificate, rootsOf, type ValidationRules } from './validation-rules.ts';
import { chainRefusal, chainRefusalOf } from './verify-text.ts';

/** Envoy's counter of a kind of failure. */
export type VerifyFault =
  | 'connection_error'
  | 'fail_verify_no_cert'
  | 'fail_verify_error'
  | 'fail_verify_san'
  | 'fail_verify_cert_hash';

export interface Refusal {
  readonly fault: VerifyFault;
  /** Such as `verify cert failed: cert hash and spki`; for a `connection_error` BoringSSL's name of it. */
  readonly detail: string;
}

export interface Verdict {
  /** Undefined where the connection is to be closed. */
  readonly peer: TlsPeer | undefined;
  /** Also where the peer is let in all the same (`ACCEPT_UNTRUSTED`). */
  readonly refusal: Refusal | undefined;
}

const SPIFFE = 'spiffe://';
/** A key that makes signatures for TLS must be one for signatures (RFC 8446 §4.4.2.2). */
const KEY_USAGE: Refusal = { fault: 'connection_error', detail: 'KEY_USAGE_BIT_INCORRECT' };
const NO_CERTIFICATE: Refusal = { fault: 'fail_verify_no_cert', detail: 'peer did not return a certificate' };
/** OpenSSL's words for a time that is not within a certificate's, and for an issuer it does not know. */
const timeCodes: readonly string[] = ['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID'];
const issuerCodes: readonly string[] = [
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
];
const purposeOids = { server: '1.3.6.1.5.5.7.3.2', client: '1.3.6.1.5.5.7.3.1' } as const;

/** A mesh has hundreds of peers. */
const MAX_REMEMBERED = 1024;

export class PeerJudge {
  readonly #rules: ValidationRules;
  readonly #side: 'client' | 'server';
  readonly #required: boolean;
  readonly #nowMs: () => number;
  readonly #hasRoots: boolean;
  readonly #asks: boolean;
  readonly #matchesName: SanMatch | undefined;
  /**
   * Whether somebody is trusted who is no root: a `tls.Server` cannot be told that this will do, so that
   * the chain is followed here where OpenSSL misses an issuer.
   */
  readonly #hasPartialRoots: boolean;
  /** Only where chains are followed here. */
  readonly #roots: readonly X509Certificate[];
  readonly #lists: readonly RevocationList[];
  readonly #bundles: TrustBundles | undefined;
  /** Ways to a root, by SHA-256 of the leaf: a resumed session comes without its intermediates. */
  readonly #paths = new Map<string, ChainPath>();

  /**
   * @param required whether somebody without a certificate is sent away
   * @throws Error where a PEM text of the rules cannot be read.
   */
  constructor(rules: ValidationRules, side: 'client' | 'server', required: boolean, nowMs: () => number) {
    this.#rules = rules;
    this.#side = side;
    this.#required = required;
    this.#nowMs = nowMs;
    this.#hasRoots = rules.trustedCaPem !== '' || rules.trustDomains.length > 0;
    this.#asks = side === 'client' || required || asksForCertificate(rules);
    this.#matchesName = compileSanMatch(rules.names);
    this.#roots = rootsOf(rules).flatMap(certificatesFromPem);
    this.#hasPartialRoots = this.#roots.some(({ raw }) => !isSelfIssued(raw));
    this.#lists = this.#checksLeafCrl ? revocationLists(rules.crlPem) : [];
    this.#bundles =
      rules.trustDomains.length === 0
        ? undefined
        : trustBundles(...rules.trustDomains.map(({ name, rootsPem }) => trustBundle(name, rootsPem)));
  }

  /** Whether a peer that OpenSSL does not accept is not to be let in, whatever else. */
  get followsOpenSsl(): boolean {
    const { acceptUntrusted, allowExpired } = this.#rules;
    return this.#hasRoots && !acceptUntrusted && !allowExpired && !this.#hasPartialRoots;
  }

  get #checksLeafCrl(): boolean {
    return this.#rules.crlPem !== '' && this.#rules.leafCrlOnly;
  }

  /**
   * @param names of which the certificate must have one, beside what the rules say
   * @param instead whether the names stand in place of those of the rules
   */
  judge(
    socket: TLSSocket,
    own: PeerCertificate | undefined,
    names?: readonly string[],
    instead = false,
  ): Verdict {
    const version = socket.getProtocol() ?? '';
    const session = this.#asks || version === 'TLSv1.2' ? sessionFacts(socket) : undefined;
    const certificate = session?.certificate;
    const refusal =
      certificate === undefined
        ? this.#required
          ? NO_CERTIFICATE
          : undefined
        : this.#refusalOf(socket, certificate, names, instead ? undefined : this.#matchesName);
    const isSentAway = refusal !== undefined && !(this.#rules.acceptUntrusted && certificate !== undefined);
    if (isSentAway) return { peer: undefined, refusal };
    const validated = certificate !== undefined && refusal === undefined && asksForCertificate(this.#rules);
    const peer: TlsPeer = {
      uri: validated ? (certificate.names.uri[0] ?? '') : '',
      presented: certificate !== undefined,
      validated,
      ownUri: own?.names.uri[0] ?? '',
      certificate,
      ownCertificate: own,
      version,
      cipher: socket.getCipher()?.name ?? '',
      sessionId: version === 'TLSv1.2' ? (session?.sessionId ?? '') : '',
    };
    return { peer, refusal };
  }

  #refusalOf(
    socket: TLSSocket,
    certificate: PeerCertificate,
    wanted: readonly string[] | undefined,
    matchesName: SanMatch | undefined,
  ): Refusal | undefined {
    const { names, details } = certificate;
    if (!maySign(certificate) && !isRsaKeyExchange(socket)) return KEY_USAGE;
    if (this.#hasRoots) {
      const detail = this.#chainFault(socket, certificate);
      if (detail !== '') return { fault: 'fail_verify_error', detail };
    }
    // A certificate with a SPIFFE id has exactly one URI (X.509-SVID §2).
    if (names.uri.length > 1 && names.uri.some((uri) => uri.startsWith(SPIFFE))) {
      return { fault: 'fail_verify_error', detail: 'certificate has more than one URI beside a SPIFFE id' };
    }
    if (wanted !== undefined && !matchAnyOf(wanted)(names)) {
      const expected = wanted.join(', ');
      const shown = details.allNames.join(', ');
      return {
        fault: 'fail_verify_san',
        detail: `verify cert failed: verify SAN list, expected SANs: [${expected}], certificate SANs: [${shown}]`,
      };
    }
    if (matchesName !== undefined && !matchesName(names)) {
      const shown = details.allNames.join(', ');
      return {
        fault: 'fail_verify_san',
        detail: `verify cert failed: SAN matcher, certificate SANs are [${shown}]`,
      };
    }
    return this.#isPinned(certificate)
      ? undefined
      : { fault: 'fail_verify_cert_hash', detail: 'verify cert failed: cert hash and spki' };
  }

  #isPinned(certificate: PeerCertificate): boolean {
    const { certificateHashes, publicKeyHashes } = this.#rules;
    if (certificateHashes.length + publicKeyHashes.length === 0) return true;
    return (
      certificateHashes.includes(certificate.sha256) || publicKeyHashes.includes(certificate.publicKeySha256)
    );
  }

  /** '' where the chain is good. */
  #chainFault(socket: TLSSocket, certificate: PeerCertificate): string {
    const { allowExpired, maxDepth } = this.#rules;
    if (socket.authorized !== true) {
      const code = String(socket.authorizationError);
      const mayBeGood =
        (allowExpired && timeCodes.includes(code)) || (this.#hasPartialRoots && issuerCodes.includes(code));
      if (!mayBeGood || !this.#isGoodByItself(socket, certificate)) return chainRefusal(code);
    }
    if (this.#bundles !== undefined) return this.#spiffeFault(socket, certificate, this.#bundles);
    if (!this.#checksLeafCrl && maxDepth === undefined) return '';
    const path = this.#pathOf(socket, certificate);
    if (path === undefined) return chainRefusal('UNABLE_TO_GET_ISSUER_CERT_LOCALLY');
    // The root counts too, and may always be there.
    if (maxDepth !== undefined && path.intermediates + 1 > Math.max(1, maxDepth)) {
      return chainRefusal('CERT_CHAIN_TOO_LONG');
    }
    if (!this.#checksLeafCrl) return '';
    const reason = revocationReason(
      certificate.details.serialNumber,
      path.issuer,
      this.#lists,
      this.#nowMs(),
    );
    return reason === '' ? '' : chainRefusalOf(reason);
  }

  #pathOf(socket: TLSSocket, certificate: PeerCertificate): ChainPath | undefined {
    const known = this.#paths.get(certificate.sha256);
    if (known !== undefined) return known;
    const leaf = socket.getPeerX509Certificate();
    const path = leaf && pathToRoot(leaf, this.#roots, (authority, below) => this.#follows(authority, below));
    if (path !== undefined) {
      if (this.#paths.size >= MAX_REMEMBERED) this.#paths.clear();
      this.#paths.set(certificate.sha256, path);
    }
    return path;
  }

  #follows(authority: X509Certificate, below: number): boolean {
    return (
      maySignBelow(authority, below) &&
      this.#isTimely(authority.validFromDate.getTime(), authority.validToDate.getTime())
    );
  }

  #isTimely(fromMs: number, toMs: number): boolean {
    const nowMs = this.#nowMs();
    return this.#rules.allowExpired || (fromMs <= nowMs && nowMs < toMs);
  }

  /** OpenSSL names the last fault it finds: every other one may hide behind it, and is looked for here. */
  #isGoodByItself(socket: TLSSocket, certificate: PeerCertificate): boolean {
    const { purposes, notBeforeMs, notAfterMs } = certificate.details;
    if (purposes !== undefined && !purposes.includes(purposeOids[this.#side])) return false;
    return this.#isTimely(notBeforeMs, notAfterMs) && this.#pathOf(socket, certificate) !== undefined;
  }

  #spiffeFault(socket: TLSSocket, certificate: PeerCertificate, bundles: TrustBundles): string {
    const { keyUsage } = certificate.details;
    const signs = (1 << keyUsageBit.keyCertSign) | (1 << keyUsageBit.crlSign);
    // X.509-SVID §4.3: the use is said, and it is not to sign others.
    if (keyUsage === undefined || (keyUsage & signs) !== 0) return spiffeRefusal('not-one-spiffe-id');
    const leaf = socket.getPeerX509Certificate();
    if (leaf === undefined) return spiffeRefusal('no-certificate');
    const nowMs = this.#rules.allowExpired ? Number.NEGATIVE_INFINITY : this.#nowMs();
    const verdict = verifyChain(leaf, bundles, nowMs);
    return verdict.ok ? '' : spiffeRefusal(verdict.reason);
  }
}

function spiffeRefusal(reason: PeerRefusal): string {
  return `verify cert failed: SPIFFE validator: ${reason.replaceAll('-', ' ')}`;
}

function maySign({ details: { keyUsage } }: PeerCertificate): boolean {
  return keyUsage === undefined || (keyUsage & (1 << keyUsageBit.digitalSignature)) !== 0;
}

/** Ciphers of TLS 1.2 for which the server's key decrypts and signs nothing. */
function isRsaKeyExchange(socket: TLSSocket): boolean {
  const cipher = socket.getCipher()?.name ?? '';
  return cipher.startsWith('AES');
}

function isSelfIssued(der: Uint8Array): boolean {
  const { issuerDer, subjectDer } = certificateDetails(der);
  return Buffer.compare(issuerDer, subjectDer) === 0;
}
