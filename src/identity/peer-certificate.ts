/**
 * What is told of the certificate of a connection. Read once for each certificate, not for each
 * connection: handshakes with one peer share it.
 */
import { createPublicKey, hash } from 'node:crypto';
import { type CertificateDetails, certificateDetails, type SubjectAltNames } from './certificate-details.ts';
import { pemFromDer } from './pem.ts';

/** `ec` and `rsa` keys are those nearly all certificates have. */
export type KeyKind = 'rsa' | 'rsa-pss' | 'ec' | 'ed25519' | 'ed448' | 'other';

export class PeerCertificate {
  readonly der: Uint8Array;
  readonly details: CertificateDetails;
  #sha256 = '';
  #sha1 = '';
  #publicKeySha256 = '';
  #pem = '';
  #key: { readonly kind: KeyKind; readonly curve: string } | undefined;

  /** @throws Error where the bytes are no certificate. */
  constructor(der: Uint8Array) {
    this.der = der;
    this.details = certificateDetails(der);
  }

  get names(): SubjectAltNames {
    return this.details.names;
  }

  /** Lower-case hexadecimal. */
  get sha256(): string {
    if (this.#sha256 === '') this.#sha256 = hash('sha256', this.der, 'hex');
    return this.#sha256;
  }

  /** Lower-case hexadecimal. */
  get sha1(): string {
    if (this.#sha1 === '') this.#sha1 = hash('sha1', this.der, 'hex');
    return this.#sha1;
  }

  /** SHA-256 of the public key (SubjectPublicKeyInfo) in Base64, as it is pinned. */
  get publicKeySha256(): string {
    if (this.#publicKeySha256 === '')
      this.#publicKeySha256 = hash('sha256', this.details.publicKeyDer, 'base64');
    return this.#publicKeySha256;
  }

  get pem(): string {
    if (this.#pem === '') this.#pem = pemFromDer('CERTIFICATE', this.der);
    return this.#pem;
  }

  get keyKind(): KeyKind {
    return this.#readKey().kind;
  }

  /** OpenSSL's name, such as `prime256v1`; '' where the key is on none. */
  get keyCurve(): string {
    return this.#readKey().curve;
  }

  #readKey(): { readonly kind: KeyKind; readonly curve: string } {
    if (this.#key === undefined) {
      const key = createPublicKey({
        key: Buffer.from(this.details.publicKeyDer),
        format: 'der',
        type: 'spki',
      });
      const kind = key.asymmetricKeyType;
      const known =
        kind === 'rsa' || kind === 'rsa-pss' || kind === 'ec' || kind === 'ed25519' || kind === 'ed448';
      this.#key = {
        kind: known ? kind : 'other',
        curve: key.asymmetricKeyDetails?.namedCurve ?? '',
      };
    }
    return this.#key;
  }
}

/** A mesh has hundreds of peers; more would be somebody who makes certificates to fill memory. */
const MAX_REMEMBERED = 1024;
const remembered = new Map<string, PeerCertificate>();

/**
 * One object for each certificate, as long as it is remembered.
 *
 * @throws Error where the bytes are no certificate.
 */
export function peerCertificate(der: Buffer): PeerCertificate {
  const key = der.toString('latin1');
  let certificate = remembered.get(key);
  if (certificate === undefined) {
    certificate = new PeerCertificate(Uint8Array.from(der));
    if (remembered.size >= MAX_REMEMBERED) remembered.delete(remembered.keys().next().value!);
    remembered.set(key, certificate);
  }
  return certificate;
}
