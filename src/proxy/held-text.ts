/**
 * Bytes that are kept for long, as a text with a character for each: that is one object of the heap, where an array of
 * bytes is three of them, and a piece of memory besides.
 */

export type HeldText = string;

/** Of bytes that are still there: two who keep the same have one text. */
const texts = new WeakMap<Uint8Array, HeldText>();

export function heldText(bytes: Uint8Array): HeldText {
  let text = texts.get(bytes);
  if (text === undefined) {
    text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
    texts.set(bytes, text);
  }
  return text;
}

export function bytesOfText(text: HeldText): Uint8Array {
  // Not of a pool: whoever decodes them may keep parts.
  const bytes = Buffer.allocUnsafeSlow(text.length);
  bytes.write(text, 'latin1');
  return bytes;
}
