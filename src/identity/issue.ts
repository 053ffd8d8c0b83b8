/**
 * Making certificates: a self-signed root, leaves for workloads and servers. Only who holds a CA
 * key needs this file; it loads an ASN.1 library (30 ms), so import it lazily where start-up counts.
 */
import 'reflect-metadata';
import { createPrivateKey, randomBytes, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import type { SpiffeId } from './spiffe-id.ts';

const SIGNATURE = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const SERIAL_BYTES = 16;

/** A certificate with its key, both PEM; the key is PKCS #8. */
export interface CertificateWithKey {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

/** A CA ready to sign. Keep it: reading the key takes a millisecond. */
export interface Issuer {
  readonly certificatePem: string;
  readonly certificate: x509.X509Certificate;
  readonly key: webcrypto.CryptoKey;
}

/** Both ends inclusive. */
export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** A self-signed CA certificate that names its trust domain, and a new key for it. */
export async function createRoot(trustDomain: string, validity: Validity): Promise<CertificateWithKey> {
  const keys = await newKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ O: [trustDomain] }, { CN: [`Root CA of ${trustDomain}`] }],
    ...validity,
    signingAlgorithm: SIGNATURE,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      new x509.SubjectAlternativeNameExtension([{ type: 'url', value: `spiffe://${trustDomain}` }]),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificatePem: pem(certificate), privateKeyPem: await exportKey(keys.privateKey) };
}

/** Throws where the key is not an ECDSA P-256 key in PKCS #8. */
export async function readIssuer({ certificatePem, privateKeyPem }: CertificateWithKey): Promise<Issuer> {
  const pkcs8 = createPrivateKey(privateKeyPem).export({ type: 'pkcs8', format: 'der' });
  const key = await webcrypto.subtle.importKey('pkcs8', pkcs8, SIGNATURE, false, ['sign']);
  return { certificatePem, certificate: new x509.X509Certificate(certificatePem), key };
}

/** What a leaf says about its holder. */
export interface LeafNames {
  readonly id: SpiffeId;
  /** Only for servers that are found by name. */
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
}

/**
 * A leaf for the public key of a signing request, or undefined where the request cannot be read, is
 * not signed by its own key or has a key of another kind than ECDSA P-256/P-384 or RSA ≥ 2048.
 * Of the request only the key is used: the names are the issuer's decision.
 */
export async function issueForRequest(
  issuer: Issuer,
  requestPem: string,
  names: LeafNames,
  validity: Validity,
): Promise<string | undefined> {
  const publicKey = await verifiedKey(requestPem);
  return publicKey === undefined ? undefined : issueLeaf(issuer, publicKey, names, validity);
}

/** A leaf and a new key for it, for a server that is in the same process as the CA. */
export async function issueWithNewKey(
  issuer: Issuer,
  names: LeafNames,
  validity: Validity,
): Promise<CertificateWithKey> {
  const keys = await newKeys();
  const certificatePem = await issueLeaf(
    issuer,
    await x509.PublicKey.create(keys.publicKey),
    names,
    validity,
  );
  return { certificatePem, privateKeyPem: await exportKey(keys.privateKey) };
}

async function verifiedKey(requestPem: string): Promise<x509.PublicKey | undefined> {
  try {
    const request = new x509.Pkcs10CertificateRequest(requestPem);
    if (!(await request.verify())) return undefined;
    return isStrong(request.publicKey) ? request.publicKey : undefined;
  } catch {
    return undefined; // not a request: the library throws errors of many types
  }
}

function isStrong({ algorithm }: x509.PublicKey): boolean {
  const { name, namedCurve, modulusLength } = algorithm as {
    name: string;
    namedCurve?: string;
    modulusLength?: number;
  };
  if (name === 'ECDSA') return namedCurve === 'P-256' || namedCurve === 'P-384';
  return name.startsWith('RSA') && (modulusLength ?? 0) >= 2048;
}

async function issueLeaf(
  issuer: Issuer,
  publicKey: x509.PublicKey,
  names: LeafNames,
  validity: Validity,
): Promise<string> {
  const { digitalSignature, keyEncipherment } = x509.KeyUsageFlags;
  const { serverAuth, clientAuth } = x509.ExtendedKeyUsage;
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    issuer: issuer.certificate.subject,
    ...validity,
    signingAlgorithm: SIGNATURE,
    publicKey,
    signingKey: issuer.key,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(digitalSignature | keyEncipherment, true),
      new x509.ExtendedKeyUsageExtension([serverAuth, clientAuth]),
      // Critical, because the subject is empty (RFC 5280 §4.2.1.6).
      new x509.SubjectAlternativeNameExtension(alternativeNames(names), true),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.certificate),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  return pem(certificate);
}

function alternativeNames({ id, dnsNames = [], ipAddresses = [] }: LeafNames): x509.JsonGeneralName[] {
  return [
    { type: 'url', value: id.uri },
    ...dnsNames.map((value) => ({ type: 'dns' as const, value })),
    ...ipAddresses.map((value) => ({ type: 'ip' as const, value })),
  ];
}

/** Random and positive (RFC 5280 §4.1.2.2). */
function serialNumber(): string {
  const bytes = randomBytes(SERIAL_BYTES);
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes.toString('hex');
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(SIGNATURE, true, [
    'sign',
    'verify',
  ]) as Promise<webcrypto.CryptoKeyPair>;
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', key);
  return createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' })
    .export({ type: 'pkcs8', format: 'pem' })
    .toString();
}

function pem(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem')}\n`;
}
