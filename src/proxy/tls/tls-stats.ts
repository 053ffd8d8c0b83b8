/** The statistics of TLS on one side of a listener or a cluster, by Envoy's names (`ssl.*`). */
import type { TLSSocket } from 'node:tls';
import type { PeerCertificate } from '#identity/peer-certificate.ts';
import type { Counter, Scope } from '#observe/metrics-contract.ts';
import type { TlsPeer } from './peer.ts';

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
    this.secretUpdates = scope.counter(`${factory}.ssl_context_update_by_sds`);
    scope.counter(`${factory}.upstream_context_secrets_not_ready`);
    scope.counter(`${factory}.downstream_context_secrets_not_ready`);
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

  /** Seconds since 1970, by the names of certificates. */
  setExpiry(name: string, certificate: PeerCertificate): void {
    this.#scope
      .gauge(`ssl.certificate.${name}.expiration_unix_time_seconds`)
      .set(Math.floor(certificate.details.notAfterMs / 1000));
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
