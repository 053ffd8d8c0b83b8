/** The statistics of TLS on one side of a listener or a cluster, by Envoy's names (`ssl.*`). */
import { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { type PeerCertificate, peerCertificate } from '#identity/peer-certificate.ts';
import type { Counter, Scope } from '#observe/metrics-contract.ts';
import { nameOfKey } from '../resource-source.ts';
import { leafOf } from './certificate-material.ts';
import type { TlsMaterial } from './material.ts';
import type { TlsPeer } from './peer.ts';
import type { ResolvedMaterial } from './resolved-material.ts';
import { rootsOf } from './validation-rules.ts';

const counterNames = [
  'connection_error',
  'fail_verify_cert_hash',
  'fail_verify_error',
  'fail_verify_no_cert',
  'fail_verify_san',
  'handshake',
  'no_certificate',
  'ocsp_staple_failed',
  'ocsp_staple_omitted',
  'ocsp_staple_requests',
  'ocsp_staple_responses',
  'session_reused',
] as const;

/** What Envoy calls a certificate that is no secret: the digits are those of SHA-256 of nothing. */
const UNNAMED = 'unnamed_cert_e3b0c442';
const UNNAMED_ROOT = 'unnamed_ca_cert_e3b0c442';

/** Names of all it has from the start. @param factory as of {@link TlsStats} */
export function tlsCounterNames(factory: string): readonly string[] {
  return [
    ...counterNames.map((name) => `ssl.${name}`),
    secretUpdatesName(factory),
    `${factory}.upstream_context_secrets_not_ready`,
    `${factory}.downstream_context_secrets_not_ready`,
  ];
}

/** Counts secrets that came, by servers and files. */
export const secretUpdatesName = (factory: string): string => `${factory}.ssl_context_update_by_sds`;

/** Of the side that connects. */
export const CLIENT_FACTORY = 'client_ssl_socket_factory';

export type TlsCounters = Readonly<Record<(typeof counterNames)[number], Counter>>;

/** Counters whose names come with the connections: ciphers, versions, curves, signatures. */
type FoundKind = 'ciphers' | 'versions' | 'curves' | 'sigalgs';

export class TlsStats {
  readonly counters: TlsCounters;
  readonly secretUpdates: Counter;
  readonly #scope: Scope;
  readonly #found = new Map<string, Counter>();

  /** @param factory `server_ssl_socket_factory` or `client_ssl_socket_factory` */
  constructor(scope: Scope, factory: string) {
    this.#scope = scope;
    this.counters = Object.fromEntries(
      counterNames.map((name) => [name, scope.counter(`ssl.${name}`)]),
    ) as TlsCounters;
    for (const name of tlsCounterNames(factory)) scope.counter(name);
    this.secretUpdates = scope.counter(secretUpdatesName(factory));
  }

  /** @param curve such as `X25519`; '' where it is not known. */
  secured(socket: TLSSocket, peer: TlsPeer, curve: string): void {
    const { handshake, session_reused, no_certificate } = this.counters;
    handshake.inc();
    if (socket.isSessionReused()) session_reused.inc();
    if (!peer.presented) no_certificate.inc();
    this.#count('ciphers', peer.cipher ?? '');
    this.#count('versions', peer.version ?? '');
    this.#count('curves', curve);
    if (peer.certificate !== undefined) this.#count('sigalgs', signatureOf(peer.certificate));
  }

  #count(kind: FoundKind, name: string): void {
    if (name === '') return;
    const key = `ssl.${kind}.${name}`;
    let counter = this.#found.get(key);
    if (counter === undefined) {
      counter = this.#scope.counter(key);
      this.#found.set(key, counter);
    }
    counter.inc();
  }

  /** When the certificates we show, and the first root, are over: by the names of their secrets, as far as they have any. */
  setExpiry(material: TlsMaterial, { certificates, rules }: ResolvedMaterial): void {
    for (const [i, certificate] of certificates.entries()) {
      // Those of the configuration come first.
      const name = nameOfKey(material.certificateSecrets[i - material.certificates.length] ?? UNNAMED);
      this.#setExpiry(name, leafOf(certificate));
    }
    const [root] = rootsOf(rules);
    if (root === undefined) return;
    this.#setExpiry(
      nameOfKey(material.validationSecret) || UNNAMED_ROOT,
      peerCertificate(new X509Certificate(root).raw),
    );
  }

  #setExpiry(name: string, { details }: PeerCertificate): void {
    this.#scope
      .gauge(`ssl.certificate.${name}.expiration_unix_time_seconds`)
      .set(Math.floor(details.notAfterMs / 1000));
  }
}

/** With what a key of that kind signs first, where both sides have Envoy's list. */
function signatureOf(certificate: PeerCertificate): string {
  switch (certificate.keyKind) {
    case 'ec':
      return curveSignatures[certificate.keyCurve] ?? '';
    case 'rsa':
      return 'rsa_pss_rsae_sha256';
    case 'ed25519':
      return 'ed25519';
    default:
      return '';
  }
}

const curveSignatures: Readonly<Record<string, string>> = {
  prime256v1: 'ecdsa_secp256r1_sha256',
  secp384r1: 'ecdsa_secp384r1_sha384',
  secp521r1: 'ecdsa_secp521r1_sha512',
};
