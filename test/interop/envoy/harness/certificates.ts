/** Certificates of a run: authorities, leaves of many kinds, a revocation list. Made once a process. */
import 'reflect-metadata';
import { KeyObject, sign, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

export interface Leaf {
  readonly cert: string;
  readonly key: string;
}

export interface Certificates {
  /** The authority of all leaves but `rogue`. */
  readonly ca: string;
  /** An authority that nobody trusts. */
  readonly otherCa: string;
  /** For `server.example` and `*.wild.example`, 127.0.0.1 and ::1. */
  readonly server: Leaf;
  /** For `other.example`. */
  readonly other: Leaf;
  /** RSA, for `server.example`. */
  readonly rsa: Leaf;
  /** `spiffe://mesh.example/client`, `client.example`, subject `CN=client,O=Heddle`. */
  readonly client: Leaf;
  /** `spiffe://mesh.example/stranger`. */
  readonly stranger: Leaf;
  /** As `client`, revoked by `crl`. */
  readonly revoked: Leaf;
  /** As `client`, over since yesterday. */
  readonly expired: Leaf;
  /** As `client`, by the authority that nobody trusts. */
  readonly rogue: Leaf;
  readonly crl: string;
}

const EC = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const RSA = {
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  publicExponent: new Uint8Array([1, 0, 1]),
  modulusLength: 2048,
} as const;
const DAY_MS = 86_400_000;

interface Authority {
  readonly certificate: x509.X509Certificate;
  readonly key: webcrypto.CryptoKey;
}

type Names = x509.JsonGeneralNames;

let made: Promise<Certificates> | undefined;

export function testCertificates(): Promise<Certificates> {
  made ??= make();
  return made;
}

async function make(): Promise<Certificates> {
  const [ca, otherCa] = await Promise.all([authority('Test CA'), authority('Other CA')]);
  const serverNames: Names = [
    { type: 'dns', value: 'server.example' },
    { type: 'dns', value: '*.wild.example' },
    { type: 'ip', value: '127.0.0.1' },
    { type: 'ip', value: '::1' },
  ];
  const clientNames: Names = [
    { type: 'url', value: 'spiffe://mesh.example/client' },
    { type: 'dns', value: 'client.example' },
  ];
  const client = 'CN=client,O=Heddle';
  const leaf = (subject: string, names: Names, more: Partial<LeafOptions> = {}): Promise<Leaf> =>
    issue({ by: ca, subject, names, serial: '01', ...more });
  const [server, other, rsa, clientLeaf, stranger, revoked, expired, rogue] = await Promise.all([
    leaf('CN=server', serverNames),
    leaf('CN=other', [{ type: 'dns', value: 'other.example' }], { serial: '02' }),
    leaf('CN=rsa', serverNames, { serial: '03', algorithm: RSA }),
    leaf(client, clientNames, { serial: '04' }),
    leaf('CN=stranger', [{ type: 'url', value: 'spiffe://mesh.example/stranger' }], { serial: '05' }),
    leaf(client, clientNames, { serial: '06' }),
    leaf(client, clientNames, { serial: '07', endsInMs: -DAY_MS }),
    leaf(client, clientNames, { serial: '08', by: otherCa }),
  ]);
  return {
    ca: ca.certificate.toString('pem'),
    otherCa: otherCa.certificate.toString('pem'),
    ...{
      server,
      other,
      rsa,
      client: clientLeaf,
      stranger,
      revoked,
      expired,
      rogue,
      crl: revocationList(ca, 6),
    },
  };
}

async function authority(name: string): Promise<Authority> {
  const keys = (await webcrypto.subtle.generateKey(EC, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: `CN=${name}`,
    notBefore: new Date(Date.now() - 2 * DAY_MS),
    notAfter: new Date(Date.now() + DAY_MS),
    signingAlgorithm: EC,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate, key: keys.privateKey };
}

interface LeafOptions {
  readonly by: Authority;
  readonly subject: string;
  readonly names: Names;
  readonly serial: string;
  readonly algorithm?: typeof EC | typeof RSA;
  readonly endsInMs?: number;
}

async function issue(options: LeafOptions): Promise<Leaf> {
  const { by, subject, names, serial, algorithm = EC, endsInMs = DAY_MS } = options;
  const keys = (await webcrypto.subtle.generateKey(algorithm, true, [
    'sign',
    'verify',
  ])) as webcrypto.CryptoKeyPair;
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial,
    subject,
    issuer: by.certificate.subject,
    notBefore: new Date(Date.now() - 2 * DAY_MS),
    notAfter: new Date(Date.now() + endsInMs),
    signingAlgorithm: EC,
    publicKey: keys.publicKey,
    signingKey: by.key,
    extensions: [
      new x509.BasicConstraintsExtension(false),
      new x509.SubjectAlternativeNameExtension(names),
      await x509.AuthorityKeyIdentifierExtension.create(by.certificate.publicKey),
    ],
  });
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return { cert: certificate.toString('pem'), key: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY') };
}

/** A list without any extension: an empty set of them, as a library writes it, is no right encoding. */
function revocationList(by: Authority, serial: number): string {
  const algorithm = der(0x30, Buffer.from('06082a8648ce3d040302', 'hex')); // ecdsa-with-SHA256
  const time = (atMs: number): Buffer =>
    der(0x17, Buffer.from(new Date(atMs).toISOString().replace(/^..|[-:T]|\.\d+/g, '')));
  const revoked = der(0x30, der(0x02, Buffer.from([serial])), time(Date.now() - DAY_MS));
  const list = der(
    0x30,
    der(0x02, Buffer.from([1])), // version 2
    algorithm,
    Buffer.from(by.certificate.subjectName.toArrayBuffer()),
    time(Date.now() - DAY_MS),
    time(Date.now() + DAY_MS),
    der(0x30, revoked),
  );
  const signature = sign('sha256', list, KeyObject.from(by.key));
  const signed = der(0x30, list, algorithm, der(0x03, Buffer.from([0]), signature));
  return x509.PemConverter.encode(signed, 'X509 CRL');
}

/** One element of DER (X.690 §8.1). */
function der(tag: number, ...content: readonly Buffer[]): Buffer {
  const bytes = Buffer.concat(content);
  const length =
    bytes.length < 128
      ? [bytes.length]
      : bytes.length < 256
        ? [0x81, bytes.length]
        : [0x82, bytes.length >> 8, bytes.length & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), bytes]);
}
