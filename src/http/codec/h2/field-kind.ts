/**
 * What a header field is to a message of HTTP/2, by its name (RFC 9113 §8.2, §8.3), and which bytes
 * its value may have. Decided once, when a field is read from its bytes; a table keeps the answer.
 */
import { findNameBytes, hashStep, mark, marksAt, NAME_SLOTS, nameAt, tokenCode } from '../../header-name.ts';

/** Kinds of fields. Those from `method` on are pseudo-header fields. */
export const kind = {
  regular: 0,
  cookie: 1,
  host: 2,
  contentLength: 3,
  te: 4,
  /** Makes the message malformed: bytes that no name or value has, unknown `:name`, connection-specific. */
  invalid: 5,
  method: 6,
  scheme: 7,
  authority: 8,
  path: 9,
  protocol: 10,
  status: 11,
} as const;

/**
 * A field's kind (bits 0-3), the kind of its name whatever the value (bits 4-7), and the marks of
 * its name (from bit 8).
 */
export type FieldInfo = number;

export const MARKS_SHIFT = 8;
const NAME_KIND_SHIFT = 4;

/** What a name is worth with a value whose bytes are right. */
export function infoOfKind(nameKind: number, marks: number): FieldInfo {
  return (marks << MARKS_SHIFT) | (nameKind << NAME_KIND_SHIFT) | nameKind;
}

/** The field with the name of another, and a value that {@link classesOf} found to be of `classes`. */
export function infoWithValue(info: FieldInfo, classes: number): FieldInfo {
  const nameKind = (info >>> NAME_KIND_SHIFT) & 15;
  return (info & ~15) | ((classes & neededClass[nameKind]!) === 0 ? kind.invalid : nameKind);
}

const VALUE = 1;
const PATH = 2;
/** Also for `host` in a request. */
const AUTHORITY = 4;
const TOKEN = 8;
const SCHEME = 16;

/** The sets of characters that each byte is in. As nghttp2 has them, the codec in Envoy. */
const classes: Uint8Array = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  const char = String.fromCharCode(byte);
  let of = 0;
  if (byte === 0x09 || (byte >= 0x20 && byte !== 0x7f)) of |= VALUE;
  if (byte > 0x20 && byte !== 0x7f) of |= PATH;
  if (/[!$%&'()*+,.:;=[\]_~0-9A-Za-z-]/.test(char)) of |= AUTHORITY;
  if (tokenCode[byte] !== 0) of |= TOKEN;
  if (/[0-9A-Za-z+.-]/.test(char)) of |= SCHEME;
  classes[byte] = of;
}

const neededClass: Uint8Array = new Uint8Array(16);
neededClass.fill(VALUE, kind.regular, kind.te + 1);
neededClass[kind.method] = TOKEN;
neededClass[kind.scheme] = SCHEME;
neededClass[kind.authority] = AUTHORITY;
neededClass[kind.path] = PATH;
neededClass[kind.protocol] = VALUE;
neededClass[kind.status] = VALUE;

/** The sets that all of `bytes[from..to)` are in; all sets for none. */
export function classesOf(bytes: Uint8Array, from: number, to: number): number {
  let all = 0xff;
  for (let i = from; i < to; i++) all &= classes[bytes[i]!]!;
  return all;
}

export function isAuthority(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if ((classes[text.charCodeAt(i) & 0xff]! & AUTHORITY) === 0) return false;
  }
  return true;
}

/** Kinds of the names with marks; a name without marks is regular but for `cookie` and those below. */
function kindOfKnown(name: string, marks: number): number {
  // RFC 9113 §8.2.2. `keep-alive` and `proxy-connection` are the hop-by-hop ones.
  if ((marks & (mark.connection | mark.transferEncoding | mark.upgrade | mark.hopByHop)) !== 0) {
    return kind.invalid;
  }
  if ((marks & mark.contentLength) !== 0) return kind.contentLength;
  if ((marks & mark.host) !== 0) return kind.host;
  if ((marks & mark.te) !== 0) return kind.te;
  return name === 'cookie' ? kind.cookie : kind.regular;
}

const pseudoNames: readonly (readonly [name: string, kind: number])[] = [
  [':method', kind.method],
  [':scheme', kind.scheme],
  [':authority', kind.authority],
  [':path', kind.path],
  [':protocol', kind.protocol],
  [':status', kind.status],
];

const COLON = 0x3a;
const UPPER_A = 0x41;
const UPPER_Z = 0x5a;

/** A name read from bytes. Used again and again. */
export class FieldName {
  name = '';
  info: FieldInfo = 0;

  /** Reads `bytes[from..to)`. A known name is not made anew. */
  read(bytes: Buffer, from: number, to: number): void {
    let hash = 0;
    let wrong = 0;
    for (let i = from; i < to; i++) {
      const byte = bytes[i]!;
      if (nameByte[byte] === 0) wrong = 1;
      hash = hashStep(hash, byte);
    }
    if (wrong !== 0 || from === to) {
      this.#readOther(bytes, from, to);
      return;
    }
    const slot = findNameBytes(bytes, from, to, hash);
    if (slot === -1) {
      this.name = bytes.toString('latin1', from, to);
      this.info = REGULAR;
      return;
    }
    this.name = nameAt(slot);
    this.info = infoOfSlot[slot]!;
  }

  #readOther(bytes: Buffer, from: number, to: number): void {
    this.name = bytes.toString('latin1', from, to);
    this.info = INVALID;
    if (bytes[from] !== COLON) return;
    for (const [name, kindOfName] of pseudoNames) {
      if (this.name === name) this.info = infoOfKind(kindOfName, 0);
    }
  }
}

const REGULAR: FieldInfo = infoOfKind(kind.regular, 0);
const INVALID: FieldInfo = infoOfKind(kind.invalid, 0);

/** 1 for what may stand in a name: a token without capitals (RFC 9113 §8.2.1). */
const nameByte: Uint8Array = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  nameByte[byte] = tokenCode[byte] === 0 || (byte >= UPPER_A && byte <= UPPER_Z) ? 0 : 1;
}

const infoOfSlot: Int32Array = new Int32Array(NAME_SLOTS);
for (let slot = 0; slot < NAME_SLOTS; slot++) {
  const marks = marksAt(slot);
  infoOfSlot[slot] = infoOfKind(kindOfKnown(nameAt(slot), marks), marks);
}
