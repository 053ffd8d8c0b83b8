/** Reading DER (ITU-T X.690): one element after the other, never past the end of what holds it. */

/** An element in the bytes it was read from. */
export interface DerElement {
  /** Identifier octet. */
  readonly tag: number;
  /** Where its identifier stands. */
  readonly from: number;
  /** Where its content begins. */
  readonly start: number;
  /** Where it ends; the next one begins here. */
  readonly end: number;
}

export const derTag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  sequence: 0x30,
  set: 0x31,
  bmpString: 0x1e,
  universalString: 0x1c,
  utcTime: 0x17,
  generalizedTime: 0x18,
} as const;

const LONG_FORM = 0x80;
const MAX_LENGTH_BYTES = 4;

/** @throws Error where there is no whole element before `limit`. */
export function readDer(bytes: Uint8Array, at: number, limit: number = bytes.length): DerElement {
  const tag = bytes[at];
  let length = bytes[at + 1];
  if (tag === undefined || length === undefined || at + 2 > limit) throw new Error('DER ends too early');
  let start = at + 2;
  if (length >= LONG_FORM) {
    const count = length - LONG_FORM;
    if (count === 0 || count > MAX_LENGTH_BYTES || start + count > limit)
      throw new Error('bad length in DER');
    length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + bytes[start + i]!;
    start += count;
  }
  const end = start + length;
  if (end > limit) throw new Error('DER ends too early');
  return { tag, from: at, start, end };
}

/** The elements inside a constructed one. */
export function derChildren(bytes: Uint8Array, parent: DerElement): DerElement[] {
  const children: DerElement[] = [];
  for (let at = parent.start; at < parent.end; ) {
    const child = readDer(bytes, at, parent.end);
    children.push(child);
    at = child.end;
  }
  return children;
}

/** The content octets, not copied. */
export function derContent(bytes: Uint8Array, { start, end }: DerElement): Uint8Array {
  return bytes.subarray(start, end);
}

/** Such as `2.5.29.17`. */
export function derOid(bytes: Uint8Array, { start, end }: DerElement): string {
  const arcs: number[] = [];
  let value = 0;
  for (let at = start; at < end; at++) {
    value = value * 128 + (bytes[at]! & 0x7f);
    if ((bytes[at]! & 0x80) !== 0) continue;
    if (arcs.length > 0) arcs.push(value);
    else {
      const first = Math.min(2, Math.floor(value / 40));
      arcs.push(first, value - 40 * first);
    }
    value = 0;
  }
  return arcs.join('.');
}

/** A non-negative integer in lower-case hexadecimal, two digits a byte, without leading zero bytes. */
export function derHexInteger(bytes: Uint8Array, { start, end }: DerElement): string {
  let at = start;
  while (at < end - 1 && bytes[at] === 0) at++;
  return Buffer.from(bytes.subarray(at, end)).toString('hex');
}

/** @throws Error for a time that is neither a UTCTime nor a GeneralizedTime in the form of RFC 5280 §4.1.2.5. */
export function derTimeMs(bytes: Uint8Array, element: DerElement): number {
  const text = latin1(derContent(bytes, element));
  const match = /^(\d\d(?:\d\d)?)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (match === null) throw new Error('bad time in DER');
  const [, years = '', ...rest] = match;
  const isShort = element.tag === derTag.utcTime;
  if (years.length !== (isShort ? 2 : 4)) throw new Error('bad time in DER');
  // Two digits stand for 1950 to 2049.
  const year = isShort ? Number(years) + (Number(years) < 50 ? 2000 : 1900) : Number(years);
  const [month = 0, day = 0, hour = 0, minute = 0, second = 0] = rest.map(Number);
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

/** The text of a character string, whatever its type. */
export function derText(bytes: Uint8Array, element: DerElement): string {
  const content = derContent(bytes, element);
  if (element.tag === derTag.utf8String) return Buffer.from(content).toString('utf8');
  if (element.tag === derTag.bmpString) return Buffer.from(content).swap16().toString('utf16le');
  return latin1(content);
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
