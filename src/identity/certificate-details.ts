/**
 * What stands in a certificate beyond what `X509Certificate` tells exactly: its names one by one, its
 * extensions, and the bytes of its parts (RFC 5280 §4.1).
 */
import {
  type DerElement,
  derChildren,
  derContent,
  derHexInteger,
  derOid,
  derTag,
  derText,
  derTimeMs,
  readDer,
} from './der-reader.ts';
import { commonName, distinguishedName } from './distinguished-name.ts';

/** Subject alternative names by kind, in order (RFC 5280 §4.2.1.6). */
export interface SubjectAltNames {
  readonly uri: readonly string[];
  readonly dns: readonly string[];
  /** `10.0.0.1`, `2001:db8::1`. */
  readonly ip: readonly string[];
  readonly email: readonly string[];
  readonly other: readonly OtherName[];
}

/** A name of a kind of its own. */
export interface OtherName {
  readonly oid: string;
  readonly value: string;
}

export interface CertificateDetails {
  /** Lower-case hexadecimal. */
  readonly serialNumber: string;
  /** RFC 2253. */
  readonly issuer: string;
  readonly subject: string;
  readonly commonName: string;
  /** DER of the names: what tells whether two are equal. */
  readonly issuerDer: Uint8Array;
  readonly subjectDer: Uint8Array;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** DER of the SubjectPublicKeyInfo. */
  readonly publicKeyDer: Uint8Array;
  readonly names: SubjectAltNames;
  /** Every alternative name in order, as `subjectAltName` writes it without the kind. */
  readonly allNames: readonly string[];
  /** Bit 0 is digitalSignature; undefined: any use. */
  readonly keyUsage: number | undefined;
  readonly isAuthority: boolean;
  /** Undefined: any number of authorities below. */
  readonly pathLength: number | undefined;
  /** Object identifiers; undefined: any purpose. */
  readonly purposes: readonly string[] | undefined;
  readonly limitsNames: boolean;
  /** Whether it is not to be shown without an OCSP response (RFC 7633, status_request). */
  readonly mustStaple: boolean;
}

/** Bits of {@link CertificateDetails.keyUsage}. */
export const keyUsageBit = { digitalSignature: 0, keyCertSign: 5, crlSign: 6 } as const;

const extensionOids = {
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  extendedKeyUsage: '2.5.29.37',
  tlsFeature: '1.3.6.1.5.5.7.1.24',
} as const;

/** Context-specific tags of the TBSCertificate. */
const VERSION = 0xa0;
const EXTENSIONS = 0xa3;

/** @throws Error where the bytes are no certificate. */
export function certificateDetails(der: Uint8Array): CertificateDetails {
  const [tbs] = derChildren(der, readDer(der, 0));
  if (tbs === undefined) throw new Error('not a certificate');
  const parts = derChildren(der, tbs);
  if (parts[0]?.tag === VERSION) parts.shift();
  const [serial, , issuer, validity, subject, publicKey] = parts;
  if (serial === undefined || issuer === undefined || subject === undefined || publicKey === undefined) {
    throw new Error('not a certificate');
  }
  const [notBefore, notAfter] = validity === undefined ? [] : derChildren(der, validity);
  if (notBefore === undefined || notAfter === undefined) throw new Error('a certificate without validity');
  return {
    serialNumber: derHexInteger(der, serial),
    issuer: distinguishedName(der, issuer),
    subject: distinguishedName(der, subject),
    commonName: commonName(der, subject),
    issuerDer: der.subarray(issuer.from, issuer.end),
    subjectDer: der.subarray(subject.from, subject.end),
    notBeforeMs: derTimeMs(der, notBefore),
    notAfterMs: derTimeMs(der, notAfter),
    publicKeyDer: der.subarray(publicKey.from, publicKey.end),
    ...extensionsOf(
      der,
      parts.find(({ tag }) => tag === EXTENSIONS),
    ),
  };
}

type Extensions = Pick<
  CertificateDetails,
  'names' | 'allNames' | 'keyUsage' | 'isAuthority' | 'pathLength' | 'purposes' | 'limitsNames' | 'mustStaple'
>;

function extensionsOf(der: Uint8Array, wrapper: DerElement | undefined): Extensions {
  const values = new Map<string, DerElement>();
  const [list] = wrapper === undefined ? [] : derChildren(der, wrapper);
  for (const extension of list === undefined ? [] : derChildren(der, list)) {
    const parts = derChildren(der, extension);
    const value = parts.at(-1);
    if (parts[0] === undefined || value?.tag !== derTag.octetString) throw new Error('bad extension');
    values.set(derOid(der, parts[0]), value);
  }
  const inner = (oid: string): DerElement | undefined => {
    const value = values.get(oid);
    return value === undefined ? undefined : readDer(der, value.start, value.end);
  };
  const usage = inner(extensionOids.keyUsage);
  const basic = inner(extensionOids.basicConstraints);
  const purposes = inner(extensionOids.extendedKeyUsage);
  const features = inner(extensionOids.tlsFeature);
  const constraints = basic === undefined ? [] : derChildren(der, basic);
  const length = constraints.find(({ tag }) => tag === derTag.integer);
  return {
    ...alternativeNames(der, inner(extensionOids.subjectAltName)),
    keyUsage: usage === undefined ? undefined : bits(derContent(der, usage)),
    isAuthority: constraints.some((part) => part.tag === derTag.boolean && der[part.start] !== 0),
    pathLength: length === undefined ? undefined : Number.parseInt(derHexInteger(der, length), 16),
    purposes:
      purposes === undefined ? undefined : derChildren(der, purposes).map((purpose) => derOid(der, purpose)),
    limitsNames: values.has(extensionOids.nameConstraints),
    mustStaple: features !== undefined && listsStatusRequest(der, features),
  };
}

const STATUS_REQUEST = '05';

function listsStatusRequest(der: Uint8Array, features: DerElement): boolean {
  return derChildren(der, features).some((feature) => derHexInteger(der, feature) === STATUS_REQUEST);
}

/** The first byte of a bit string says how many bits at its end are unused. */
function bits(content: Uint8Array): number {
  let value = 0;
  for (let i = 0; i < Math.min(16, (content.length - 1) * 8); i++) {
    if ((content[1 + (i >> 3)]! & (0x80 >> (i & 7))) !== 0) value |= 1 << i;
  }
  return value;
}

/** GeneralName, by context-specific tag. */
const generalName = { other: 0xa0, email: 0x81, dns: 0x82, uri: 0x86, ip: 0x87 } as const;

function alternativeNames(
  der: Uint8Array,
  list: DerElement | undefined,
): { readonly names: SubjectAltNames; readonly allNames: readonly string[] } {
  const uri: string[] = [];
  const dns: string[] = [];
  const ip: string[] = [];
  const email: string[] = [];
  const other: OtherName[] = [];
  const allNames: string[] = [];
  for (const name of list === undefined ? [] : derChildren(der, list)) {
    if (name.tag === generalName.other) {
      const read = otherName(der, name);
      if (read === undefined) continue;
      other.push(read);
      allNames.push(read.value);
      continue;
    }
    const kind =
      name.tag === generalName.uri
        ? uri
        : name.tag === generalName.dns
          ? dns
          : name.tag === generalName.email
            ? email
            : name.tag === generalName.ip
              ? ip
              : undefined;
    if (kind === undefined) continue;
    const text = kind === ip ? addressText(derContent(der, name)) : derText(der, name);
    kind.push(text);
    allNames.push(text);
  }
  return { names: { uri, dns, ip, email, other }, allNames };
}

/** Text of values that are strings; others have none. */
function otherName(der: Uint8Array, name: DerElement): OtherName | undefined {
  const [type, wrapper] = derChildren(der, name);
  if (type === undefined || wrapper === undefined) return undefined;
  const value = readDer(der, wrapper.start, wrapper.end);
  const primitive = (value.tag & 0xe0) === 0;
  return primitive ? { oid: derOid(der, type), value: derText(der, value) } : undefined;
}

function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) return '';
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(bytes[i]! * 256 + bytes[i + 1]!);
  return shortened(groups);
}

/** RFC 5952 §4: the longest run of zeros, of two at least, is left out. */
function shortened(groups: readonly number[]): string {
  let from = -1;
  let length = 1;
  for (let i = 0; i < groups.length; i++) {
    let end = i;
    while (groups[end] === 0) end++;
    if (end - i > length) {
      from = i;
      length = end - i;
    }
    i = Math.max(i, end - 1);
  }
  const text = groups.map((group) => group.toString(16));
  if (from === -1) return text.join(':');
  return `${text.slice(0, from).join(':')}::${text.slice(from + length).join(':')}`;
}
