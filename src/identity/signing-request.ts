/**
 * Key pairs and certificate signing requests (PKCS #10, RFC 2986) of workloads: ECDSA P-256,
 * empty subject, the SPIFFE id as the only subject alternative name (X.509-SVID §2).
 */
import { generateKeyPair as generate, type KeyObject, sign } from 'node:crypto';
import { promisify } from 'node:util';
import {
  der,
  derBitString,
  derObjectIdentifier,
  derOctetString,
  derSequence,
  derSet,
  derSmallInteger,
} from './der.ts';
import { pemFromDer } from './pem.ts';
import type { SpiffeId } from './spiffe-id.ts';

export interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const OID_EXTENSION_REQUEST = '1.2.840.113549.1.9.14';
const OID_SUBJECT_ALT_NAME = '2.5.29.17';
const OID_ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';
/** Context tag 6 of GeneralName: uniformResourceIdentifier. */
const TAG_URI = 0x86;
/** Context tag 0 of CertificationRequestInfo: attributes. */
const TAG_ATTRIBUTES = 0xa0;

/** A new P-256 key pair, made off the main thread. */
export function generateKeyPair(): Promise<KeyPair> {
  return promisify(generate)('ec', { namedCurve: 'P-256' });
}

/** PKCS #8, PEM. What this returns never leaves the process but into a file of mode 0600 or a Unix socket. */
export function privateKeyPem(privateKey: KeyObject): string {
  return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}

/** The PEM text of a request that asks for `id`, signed with the private key of `keys`. */
export function createSigningRequest(keys: KeyPair, id: SpiffeId): string {
  const altNames = derSequence(der(TAG_URI, Buffer.from(id.uri, 'ascii')));
  const extension = derSequence(derObjectIdentifier(OID_SUBJECT_ALT_NAME), derOctetString(altNames));
  const attribute = derSequence(derObjectIdentifier(OID_EXTENSION_REQUEST), derSet(derSequence(extension)));
  const info = derSequence(
    derSmallInteger(0), // version v1
    derSequence(), // empty subject: the identity is in the alternative name
    keys.publicKey.export({ type: 'spki', format: 'der' }),
    der(TAG_ATTRIBUTES, attribute),
  );
  const signature = sign('sha256', info, keys.privateKey);
  const algorithm = derSequence(derObjectIdentifier(OID_ECDSA_WITH_SHA256));
  return pemFromDer('CERTIFICATE REQUEST', derSequence(info, algorithm, derBitString(signature)));
}
