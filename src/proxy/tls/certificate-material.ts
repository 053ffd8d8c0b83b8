/** A `TlsCertificate`: chain, key and what is stapled to it, checked as far as it can be wrong. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { Duplex } from 'node:stream';
import { connect, createSecureContext, type SecureContextOptions } from 'node:tls';
import { type PeerCertificate, peerCertificate } from '#identity/peer-certificate.ts';
import { pemBlocks } from '#identity/pem.ts';
import type { TlsCertificate } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import type { Findings } from '../findings.ts';
import { type DataReader, readBytes, readText } from './data-source.ts';
import { ocspResponseEndMs } from './ocsp-response.ts';

/** Plain data: it goes to other threads. */
export interface CertificateMaterial {
  /** Leaf first; '' for one in PKCS #12. */
  readonly chainPem: string;
  readonly keyPem: string;
  /** Of the key or the PKCS #12 store; '' for none. */
  readonly password: string;
  readonly pkcs12: Uint8Array | undefined;
  /** An OCSP response in DER. */
  readonly ocspStaple: Uint8Array | undefined;
}

/** BoringSSL's rule, and Envoy's. */
const MIN_RSA_BITS = 2048;

/** Undefined where the findings say why. */
export function readCertificate(
  certificate: TlsCertificate,
  path: string,
  reader: DataReader,
  findings: Findings,
): CertificateMaterial | undefined {
  findings.refuse(`${path}.private_key_provider`, certificate.privateKeyProvider !== undefined);
  findings.refuse(`${path}.signed_certificate_timestamp`, certificate.signedCertificateTimestamp.length > 0);
  const password =
    certificate.password === undefined
      ? ''
      : (readText(certificate.password, `${path}.password`, reader, findings) ?? '');
  const ocspStaple = readStaple(certificate, path, reader, findings);
  if (certificate.pkcs12 !== undefined) {
    if (certificate.certificateChain !== undefined || certificate.privateKey !== undefined) {
      findings.error(`${path}.pkcs12`, 'takes the place of certificate_chain and private_key');
    }
    const pkcs12 = readBytes(certificate.pkcs12, `${path}.pkcs12`, reader, findings);
    if (pkcs12 === undefined) return undefined;
    const material = { chainPem: '', keyPem: '', password, pkcs12, ocspStaple };
    return isUsable(material, `${path}.pkcs12`, findings) ? material : undefined;
  }
  const chainPem = readText(certificate.certificateChain, `${path}.certificate_chain`, reader, findings);
  const keyPem = readText(certificate.privateKey, `${path}.private_key`, reader, findings);
  if (chainPem === undefined || keyPem === undefined) return undefined;
  if (!isKeyOf(chainPem, keyPem, password, path, findings)) return undefined;
  const material = { chainPem, keyPem, password, pkcs12: undefined, ocspStaple };
  return isUsable(material, `${path}.certificate_chain`, findings) ? material : undefined;
}

function readStaple(
  { ocspStaple }: TlsCertificate,
  path: string,
  reader: DataReader,
  findings: Findings,
): Uint8Array | undefined {
  if (ocspStaple === undefined) return undefined;
  const at = `${path}.ocsp_staple`;
  if (ocspStaple.specifier.case === 'inlineString') {
    findings.error(at, 'a response is DER: it cannot be an inline_string');
    return undefined;
  }
  const bytes = readBytes(ocspStaple, at, reader, findings);
  if (bytes === undefined) return undefined;
  try {
    ocspResponseEndMs(bytes);
    return bytes;
  } catch (error) {
    findings.error(at, `is no OCSP response: ${(error as Error).message}`);
    return undefined;
  }
}

function isKeyOf(
  chainPem: string,
  keyPem: string,
  password: string,
  path: string,
  findings: Findings,
): boolean {
  const [leaf] = certificatesIn(chainPem, `${path}.certificate_chain`, findings);
  if (leaf === undefined) return false;
  try {
    const key = createPrivateKey(password === '' ? keyPem : { key: keyPem, passphrase: password });
    if (leaf.checkPrivateKey(key)) return true;
    findings.error(`${path}.private_key`, 'is not the key of the certificate');
  } catch {
    // The reason is left out: it may quote the key.
    findings.error(`${path}.private_key`, 'is not a private key in PEM, or not with this password');
  }
  return false;
}

/** Every certificate of a PEM text; what cannot be read is an error at `path`. */
export function certificatesIn(pem: string, path: string, findings: Findings): X509Certificate[] {
  const blocks = pemBlocks(pem, 'CERTIFICATE');
  if (blocks.length === 0) findings.error(path, 'holds no certificate in PEM');
  return blocks.flatMap((block) => {
    try {
      return [new X509Certificate(block)];
    } catch (error) {
      findings.error(path, `is not a certificate: ${(error as Error).message}`);
      return [];
    }
  });
}

/** Whether OpenSSL takes it, and its key is long enough. */
function isUsable(material: CertificateMaterial, path: string, findings: Findings): boolean {
  try {
    createSecureContext({ ca: [], ...identityOptions([material]) });
    const leaf = leafOf(material);
    const { asymmetricKeyType, asymmetricKeyDetails } = new X509Certificate(leaf.der).publicKey;
    if (asymmetricKeyType === 'rsa' && (asymmetricKeyDetails?.modulusLength ?? 0) < MIN_RSA_BITS) {
      findings.error(path, 'only RSA certificates with 2048-bit or larger keys are supported');
      return false;
    }
    return true;
  } catch (error) {
    findings.error(path, error instanceof Error ? error.message : String(error));
    return false;
  }
}

/** Options of a SecureContext with these certificates, of different kinds of keys. */
export function identityOptions(
  materials: readonly CertificateMaterial[],
): Pick<SecureContextOptions, 'cert' | 'key' | 'pfx'> {
  const inPem = materials.filter(({ pkcs12 }) => pkcs12 === undefined);
  const stores = materials.flatMap(({ pkcs12, password }) =>
    pkcs12 === undefined
      ? []
      : [{ buf: Buffer.from(pkcs12), ...(password === '' ? {} : { passphrase: password }) }],
  );
  return {
    ...(inPem.length === 0
      ? {}
      : {
          cert: inPem.map(({ chainPem }) => chainPem),
          key: inPem.map(({ keyPem, password }) =>
            password === '' ? { pem: keyPem } : { pem: keyPem, passphrase: password },
          ),
        }),
    ...(stores.length === 0 ? {} : { pfx: stores }),
  };
}

const leaves = new WeakMap<CertificateMaterial, PeerCertificate>();

/**
 * The certificate itself, without its chain.
 *
 * @throws Error where OpenSSL does not take it.
 */
export function leafOf(material: CertificateMaterial): PeerCertificate {
  let leaf = leaves.get(material);
  if (leaf === undefined) {
    leaf = peerCertificate(
      material.pkcs12 === undefined ? firstInPem(material.chainPem) : firstInStore(material),
    );
    leaves.set(material, leaf);
  }
  return leaf;
}

function firstInPem(chainPem: string): Buffer {
  const [block = ''] = pemBlocks(chainPem, 'CERTIFICATE');
  return new X509Certificate(block).raw;
}

/** A store is opened by OpenSSL alone: a client that says nothing tells what it would show. */
function firstInStore(material: CertificateMaterial): Buffer {
  const secureContext = createSecureContext({ ca: [], ...identityOptions([material]) });
  const silent = new Duplex({ read() {}, write: (_bytes, _encoding, done) => done() });
  const socket = connect({ socket: silent, secureContext });
  const own = socket.getX509Certificate();
  socket.on('error', () => {});
  socket.destroy();
  if (own === undefined) throw new Error('holds no certificate');
  return own.raw;
}
