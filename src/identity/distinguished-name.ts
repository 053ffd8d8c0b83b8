/** Names of subjects and issuers as text (RFC 2253, in the form OpenSSL and Envoy write). */
import { type DerElement, derChildren, derContent, derOid, derTag, derText } from './der-reader.ts';

/** OpenSSL's short names of attributes, by object identifier. */
const shortNames: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.4': 'SN',
  '2.5.4.5': 'serialNumber',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.9': 'street',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '2.5.4.12': 'title',
  '2.5.4.13': 'description',
  '2.5.4.15': 'businessCategory',
  '2.5.4.17': 'postalCode',
  '2.5.4.41': 'name',
  '2.5.4.42': 'GN',
  '2.5.4.43': 'initials',
  '2.5.4.44': 'generationQualifier',
  '2.5.4.45': 'x500UniqueIdentifier',
  '2.5.4.46': 'dnQualifier',
  '2.5.4.65': 'pseudonym',
  '2.5.4.97': 'organizationIdentifier',
  '0.9.2342.19200300.100.1.1': 'UID',
  '0.9.2342.19200300.100.1.25': 'DC',
  '1.2.840.113549.1.9.1': 'emailAddress',
};

const COMMON_NAME = '2.5.4.3';

/** Such as `CN=reviews,O=mesh`: the most specific part first. */
export function distinguishedName(bytes: Uint8Array, name: DerElement): string {
  return derChildren(bytes, name)
    .reverse()
    .map((set) =>
      derChildren(bytes, set)
        .map((attribute) => attributeText(bytes, attribute))
        .join('+'),
    )
    .join(',');
}

/** The last common name; '' for none. */
export function commonName(bytes: Uint8Array, name: DerElement): string {
  let found = '';
  for (const set of derChildren(bytes, name)) {
    for (const attribute of derChildren(bytes, set)) {
      const [type, value] = derChildren(bytes, attribute);
      if (type !== undefined && value !== undefined && derOid(bytes, type) === COMMON_NAME)
        found = derText(bytes, value);
    }
  }
  return found;
}

function attributeText(bytes: Uint8Array, attribute: DerElement): string {
  const [type, value] = derChildren(bytes, attribute);
  if (type === undefined || value === undefined || type.tag !== derTag.objectIdentifier) {
    throw new Error('bad name in DER');
  }
  const oid = derOid(bytes, type);
  const known = shortNames[oid];
  // Of a type nobody knows the value is told as it is encoded.
  if (known === undefined) return `${oid}=#${hex(bytes.subarray(value.from, value.end))}`;
  if (derContent(bytes, value).length === 0) return `${known}=`;
  return `${known}=${escaped(derText(bytes, value))}`;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex').toUpperCase();
}

/** RFC 2253 §2.4; bytes outside of printable ASCII as two hexadecimal digits each. */
function escaped(text: string): string {
  const bytes = Buffer.from(text, 'utf8');
  let out = '';
  bytes.forEach((byte, i) => {
    const char = String.fromCharCode(byte);
    const atEdge = i === 0 || i === bytes.length - 1;
    if (byte < 0x20 || byte > 0x7e) out += `\\${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    else if (',+"\\<>;'.includes(char) || (char === ' ' && atEdge) || (char === '#' && i === 0))
      out += `\\${char}`;
    else out += char;
  });
  return out;
}
