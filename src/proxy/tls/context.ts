/** SecureContexts: made on first use, shared by equal content, made anew when a secret changes. */
import { createHash } from 'node:crypto';
import { createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import type { SecretStore } from '../contract.ts';
import type { TlsMaterial } from './material.ts';
import { parseSubjectAltNames } from './san.ts';

/** The texts a context is made of, once every secret is there. */
export interface ContextTexts {
  readonly chain: string;
  readonly key: string;
  readonly ca: string;
}

/** Undefined while a secret is missing. */
export function textsOf(material: TlsMaterial, secrets: SecretStore): ContextTexts | undefined {
  const certificate = material.certificateSecret === '' ? undefined : secrets.get(material.certificateSecret);
  const validation = material.validationSecret === '' ? undefined : secrets.get(material.validationSecret);
  if (material.certificateSecret !== '' && certificate?.privateKeyPem === undefined) return undefined;
  if (material.validationSecret !== '' && validation?.trustedCaPem === undefined) return undefined;
  return {
    chain: certificate?.certificateChainPem ?? material.certificateChainPem,
    key: certificate?.privateKeyPem ?? material.privateKeyPem,
    ca: validation?.trustedCaPem ?? material.trustedCaPem,
  };
}

const MAX_SHARED = 256;
const shared = new Map<string, SecureContext>();

/** @throws OpenSSL's error for a certificate or key that cannot be used. */
export function secureContextOf(material: TlsMaterial, texts: ContextTexts): SecureContext {
  const { minVersion, maxVersion, ciphers, curves } = material;
  const key = createHash('sha256')
    .update([texts.chain, texts.key, texts.ca, minVersion, maxVersion, ciphers, curves].join('\0'))
    .digest('base64');
  let context = shared.get(key);
  if (context === undefined) {
    context = createSecureContext({
      ...(texts.chain === '' ? {} : { cert: texts.chain, key: texts.key }),
      // Without roots of its own a context would trust those of the operating system.
      ...(texts.ca === '' ? {} : { ca: texts.ca }),
      minVersion,
      maxVersion,
      ...(ciphers === '' ? {} : { ciphers }),
      ...(curves === '' ? {} : { ecdhCurve: curves }),
    });
    if (shared.size >= MAX_SHARED) shared.delete(shared.keys().next().value!);
    shared.set(key, context);
  }
  return context;
}

/** What a handshake proved about the peer. */
export interface TlsPeer {
  /** The only URI of the verified certificate; '' without one. */
  readonly uri: string;
  readonly presented: boolean;
  readonly validated: boolean;
  /** The URI of our own certificate; '' without one. */
  readonly ownUri: string;
}

const SPIFFE = 'spiffe://';

/**
 * Asked after every handshake, resumed ones too. A reason for refusing, or the peer. A certificate
 * with a SPIFFE id has exactly one URI (X.509-SVID §2).
 */
export function judgePeer(socket: TLSSocket, material: TlsMaterial, required: boolean): TlsPeer | string {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) {
    return required
      ? 'peer did not return a certificate'
      : { uri: '', presented: false, validated: false, ownUri: ownUri(socket) };
  }
  const validated = material.verifies && socket.authorized === true;
  if (material.verifies && !validated && !material.acceptUntrusted) {
    return `certificate verify failed: ${String(socket.authorizationError)}`;
  }
  const names = parseSubjectAltNames(certificate.subjectAltName);
  if (names.uri.length > 1 && names.uri.some((uri) => uri.startsWith(SPIFFE))) {
    return 'certificate has more than one URI beside a SPIFFE id';
  }
  if (material.sanMatch !== undefined && !material.sanMatch(names)) {
    return 'verify SAN list: no name of the certificate matches';
  }
  return { uri: validated ? (names.uri[0] ?? '') : '', presented: true, validated, ownUri: ownUri(socket) };
}

function ownUri(socket: TLSSocket): string {
  return parseSubjectAltNames(socket.getX509Certificate()?.subjectAltName).uri[0] ?? '';
}
