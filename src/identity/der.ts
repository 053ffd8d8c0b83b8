/**
 * The few DER encodings that a certificate signing request needs (ITU-T X.690).
 * Written by hand so that a sidecar does not load an ASN.1 library for one message.
 */

/** Any tag-length-value; `tag` is the identifier octet. */
export function der(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const content = Buffer.concat(contents);
  return Buffer.concat([Uint8Array.of(tag), derLength(content.length), content]);
}

export function derSequence(...items: readonly Uint8Array[]): Uint8Array {
  return der(0x30, ...items);
}

/** Items are taken in the order given; DER's order matters only for sets of more than one. */
export function derSet(...items: readonly Uint8Array[]): Uint8Array {
  return der(0x31, ...items);
}

/** A non-negative integer below 128. */
export function derSmallInteger(value: number): Uint8Array {
  return der(0x02, Uint8Array.of(value));
}

/** @param dotted such as `1.2.840.10045.4.3.2`. */
export function derObjectIdentifier(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return der(0x06, Uint8Array.from([first * 40 + second, ...rest.flatMap(base128)]));
}

/** A bit string of whole bytes. */
export function derBitString(bytes: Uint8Array): Uint8Array {
  return der(0x03, Uint8Array.of(0), bytes);
}

export function derOctetString(bytes: Uint8Array): Uint8Array {
  return der(0x04, bytes);
}

function derLength(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length);
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest >>>= 8) bytes.unshift(rest & 0xff);
  return Uint8Array.from([0x80 | bytes.length, ...bytes]);
}

function base128(value: number): number[] {
  const bytes = [value & 0x7f];
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) bytes.unshift((rest & 0x7f) | 0x80);
  return bytes;
}
