/** Certificates of every kind, good and bad ones, for tests of who is let in. */
import { createPrivateKey, randomBytes, webcrypto } from 'node:crypto';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { pemFromDer } from '#identity/pem.ts';

/** A certificate that a test shows, with its chain and its key, both PEM. */
export interface Holder {
  /** Leaf first, then intermediates; the root is left out. */
  readonly cert: string;
  readonly key: string;
  readonly serialNumber: string;
}

export interface LeafOptions {
  readonly commonName?: string;
  readonly uris?: readonly string[];
  readonly dns?: readonly string[];
  readonly ips?: readonly string[];
  readonly emails?: readonly string[];
  /** Names of the kind 1.3.6.1.4.1.311.20.2.3 (user principal names). */
  readonly userNames?: readonly string[];
  readonly keyKind?: 'P-256' | 'P-384' | 'rsa';
  /** Absent: digitalSignature; null: the extension is left out. */
  readonly keyUsage?: number | null;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

const HOUR_MS = 3_600_000;
const hoursFromNow = (hours: number): Date => new Date(Date.now() + hours * HOUR_MS);

const ecdsa = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const keyAlgorithms = {
  'P-256': ecdsa,
  'P-384': { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
  rsa: {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    publicExponent: new Uint8Array([1, 0, 1]),
    modulusLength: 2048,
  },
} as const;

export class TestRoot {
  readonly certificate: x509.X509Certificate;
  readonly #key: webcrypto.CryptoKey;
  /** Between this and the root, itself first; empty for a root. */
  readonly #chain: string;

  constructor(certificate: x509.X509Certificate, key: webcrypto.CryptoKey, chain: string) {
    this.certificate = certificate;
    this.#key = key;
    this.#chain = chain;
  }

  static async create(name: string): Promise<TestRoot> {
    const keys = await newKeys('P-256');
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: serialNumber(),
      name: `O=${name}`,
      notBefore: hoursFromNow(-1),
      notAfter: hoursFromNow(10),
      signingAlgorithm: ecdsa,
      keys,
      extensions: authorityExtensions(),
    });
    return new TestRoot(certificate, keys.privateKey, '');
  }

  get pem(): string {
    return pemOf(this.certificate);
  }

  /** An authority below this one. */
  async intermediate(name: string): Promise<TestRoot> {
    const keys = await newKeys('P-256');
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serialNumber(),
      subject: `O=${name}`,
      issuer: this.certificate.subject,
      notBefore: hoursFromNow(-1),
      notAfter: hoursFromNow(10),
      signingAlgorithm: ecdsa,
      signingKey: this.#key,
      publicKey: keys.publicKey,
      extensions: authorityExtensions(),
    });
    return new TestRoot(certificate, keys.privateKey, pemOf(certificate) + this.#chain);
  }

  async issue(options: LeafOptions = {}): Promise<Holder> {
    const { commonName = '', keyKind = 'P-256', keyUsage = x509.KeyUsageFlags.digitalSignature } = options;
    const keys = await newKeys(keyKind);
    const serial = serialNumber();
    const names = alternativeNames(options);
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serial,
      subject: commonName === '' ? [] : [{ CN: [commonName] }],
      issuer: this.certificate.subject,
      notBefore: options.notBefore ?? hoursFromNow(-1),
      notAfter: options.notAfter ?? hoursFromNow(1),
      signingAlgorithm: ecdsa,
      signingKey: this.#key,
      publicKey: keys.publicKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        ...(keyUsage === null ? [] : [new x509.KeyUsagesExtension(keyUsage, true)]),
        ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]),
      ],
    });
    const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
    const key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' });
    return {
      cert: pemOf(certificate) + this.#chain,
      key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
      serialNumber: serial,
    };
  }

  /** Names the certificates that are not good any more. */
  async revocationList(revoked: readonly Holder[], nextUpdate: Date = hoursFromNow(1)): Promise<string> {
    const list = await x509.X509CrlGenerator.create({
      issuer: this.certificate.subject,
      thisUpdate: hoursFromNow(-1),
      nextUpdate,
      entries: revoked.map((holder) => ({
        serialNumber: holder.serialNumber,
        revocationDate: hoursFromNow(-1),
      })),
      signingAlgorithm: ecdsa,
      signingKey: this.#key,
    });
    // As OpenSSL and RFC 7468 §6 have it.
    return pemFromDer('X509 CRL', new Uint8Array(list.rawData));
  }
}

/** Times of a certificate whose time is over. */
export const expired: { readonly notBefore: Date; readonly notAfter: Date } = {
  notBefore: hoursFromNow(-3),
  notAfter: hoursFromNow(-2),
};

function authorityExtensions(): x509.Extension[] {
  const { keyCertSign, cRLSign } = x509.KeyUsageFlags;
  return [
    new x509.BasicConstraintsExtension(true, undefined, true),
    new x509.KeyUsagesExtension(keyCertSign | cRLSign, true),
  ];
}

function alternativeNames(options: LeafOptions): x509.JsonGeneralName[] {
  const { uris = [], dns = [], ips = [], emails = [], userNames = [] } = options;
  return [
    ...uris.map((value) => ({ type: 'url' as const, value })),
    ...dns.map((value) => ({ type: 'dns' as const, value })),
    ...ips.map((value) => ({ type: 'ip' as const, value })),
    ...emails.map((value) => ({ type: 'email' as const, value })),
    ...userNames.map((value) => ({ type: 'upn' as const, value })),
  ];
}

function newKeys(kind: keyof typeof keyAlgorithms): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(keyAlgorithms[kind], true, [
    'sign',
    'verify',
  ]) as Promise<webcrypto.CryptoKeyPair>;
}

/** Random and positive. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes.toString('hex');
}

function pemOf(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem')}\n`;
}
