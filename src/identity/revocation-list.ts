/** Certificate revocation lists (RFC 5280 §5), read and asked for one certificate. */
import { createHash, verify, type X509Certificate } from 'node:crypto';
import { certificateDetails, keyUsageBit } from './certificate-details.ts';
import {
  type DerElement,
  derChildren,
  derContent,
  derHexInteger,
  derOid,
  derTag,
  derTimeMs,
  readDer,
} from './der-reader.ts';
import { pemBlocks } from './pem.ts';

export interface RevocationList {
  readonly issuerDer: Uint8Array;
  readonly thisUpdateMs: number;
  /** Undefined: no end is given. */
  readonly nextUpdateMs: number | undefined;
  /** Serial numbers in lower-case hexadecimal. */
  readonly revoked: ReadonlySet<string>;
  /** Whether it says something that is not understood here, such as that it is only for some certificates. */
  readonly isPartial: boolean;
  /** What is signed. */
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
  /** Object identifier. */
  readonly algorithm: string;
}

/** The hash of a signature, by the algorithm's object identifier; '' where it is part of the algorithm. */
const hashes: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
  '1.3.101.112': '',
};

/** Extensions of a list that change nothing in what it means: authority key, number. */
const HARMLESS: readonly string[] = ['2.5.29.35', '2.5.29.20'];
const EXTENSIONS = 0xa0;
const CERTIFICATE_ISSUER = '2.5.29.29';

/** @throws Error where there is none, or one cannot be read. */
export function revocationLists(pem: string): readonly RevocationList[] {
  const lists = pemBlocks(pem, 'X509 CRL').map((block) => readList(derOfPem(block)));
  if (lists.length === 0) throw new Error('there is no revocation list in PEM');
  return lists;
}

function derOfPem(block: string): Uint8Array {
  return Buffer.from(block.replace(/-----[^-]+-----/g, ''), 'base64');
}

function readList(der: Uint8Array): RevocationList {
  const [tbs, algorithm, signature] = derChildren(der, readDer(der, 0));
  if (tbs === undefined || algorithm === undefined || signature?.tag !== derTag.bitString) {
    throw new Error('not a revocation list');
  }
  const parts = derChildren(der, tbs);
  if (parts[0]?.tag === derTag.integer) parts.shift();
  const [, issuer, thisUpdate, ...rest] = parts;
  const [type] = derChildren(der, algorithm);
  if (issuer === undefined || thisUpdate === undefined || type === undefined) {
    throw new Error('not a revocation list');
  }
  const next = rest.find(({ tag }) => tag === derTag.utcTime || tag === derTag.generalizedTime);
  const entries = rest.find(({ tag }) => tag === derTag.sequence);
  const wrapper = rest.find(({ tag }) => tag === EXTENSIONS);
  const { serials, isPartial } = readEntries(der, entries);
  return {
    issuerDer: der.subarray(issuer.from, issuer.end),
    thisUpdateMs: derTimeMs(der, thisUpdate),
    nextUpdateMs: next && derTimeMs(der, next),
    revoked: serials,
    isPartial: isPartial || extensionOids(der, wrapper).some((oid) => !HARMLESS.includes(oid)),
    signed: der.subarray(tbs.from, tbs.end),
    signature: derContent(der, signature).subarray(1),
    algorithm: derOid(der, type),
  };
}

function readEntries(
  der: Uint8Array,
  list: DerElement | undefined,
): { readonly serials: ReadonlySet<string>; readonly isPartial: boolean } {
  const serials = new Set<string>();
  let isPartial = false;
  for (const entry of list === undefined ? [] : derChildren(der, list)) {
    const [serial, , extensions] = derChildren(der, entry);
    if (serial === undefined) throw new Error('not a revocation list');
    serials.add(derHexInteger(der, serial));
    for (const extension of extensions === undefined ? [] : derChildren(der, extensions)) {
      const [oid] = derChildren(der, extension);
      // An entry of another issuer: the list is one for several.
      if (oid !== undefined && derOid(der, oid) === CERTIFICATE_ISSUER) isPartial = true;
    }
  }
  return { serials, isPartial };
}

function extensionOids(der: Uint8Array, wrapper: DerElement | undefined): string[] {
  const [list] = wrapper === undefined ? [] : derChildren(der, wrapper);
  return (list === undefined ? [] : derChildren(der, list)).flatMap((extension) => {
    const [oid] = derChildren(der, extension);
    return oid === undefined ? [] : [derOid(der, oid)];
  });
}

/**
 * Why a certificate is not to be used, in OpenSSL's words; '' where a list of its issuer, in force and
 * signed by it, does not name it. Without such a list it is not to be used either.
 */
export function revocationReason(
  serialNumber: string,
  issuer: X509Certificate,
  lists: readonly RevocationList[],
  nowMs: number,
): string {
  const { subjectDer, keyUsage } = certificateDetails(issuer.raw);
  const maySign = keyUsage === undefined || (keyUsage & (1 << keyUsageBit.crlSign)) !== 0;
  const own = maySign ? lists.filter(({ issuerDer }) => Buffer.compare(issuerDer, subjectDer) === 0) : [];
  let reason = 'unable to get certificate CRL';
  for (const list of own) {
    if (!isSignedBy(list, issuer)) {
      reason = 'CRL signature failure';
      continue;
    }
    if (list.revoked.has(serialNumber)) return 'certificate revoked';
    if (list.isPartial) reason = 'unable to get certificate CRL';
    else if (list.thisUpdateMs > nowMs) reason = 'CRL is not yet valid';
    else if (list.nextUpdateMs !== undefined && list.nextUpdateMs < nowMs) reason = 'CRL has expired';
    else return '';
  }
  return reason;
}

/** Lists whose signature was found good, by their hash and the key's. */
const verified = new Set<string>();
const MAX_REMEMBERED = 1024;

function isSignedBy(
  { signed, signature, algorithm }: RevocationList,
  { publicKey }: X509Certificate,
): boolean {
  const digest = hashes[algorithm];
  if (digest === undefined) return false;
  const key = createHash('sha256')
    .update(signed)
    .update(signature)
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64');
  if (verified.has(key)) return true;
  if (!verify(digest === '' ? null : digest, signed, publicKey, signature)) return false;
  if (verified.size >= MAX_REMEMBERED) verified.clear();
  verified.add(key);
  return true;
}
