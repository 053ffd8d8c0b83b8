/**
 * The Huffman code of RFC 7541 §5.2 and Appendix B, both ways. The code is canonical, so the lengths
 * of its words say all of it.
 */

/** Bits of the word for each byte. Words of one length follow each other in the order of their bytes. */
// biome-ignore format: a row is 16 bytes
export const wordBits: Uint8Array = Uint8Array.of(
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
);

const EOS_BITS = 30;
const EOS = 256;

/** The words, right-aligned. */
const words: Uint32Array = new Uint32Array(256);

/**
 * The decoder's states are the inner nodes of the tree of words (0 is the root); `steps[state << 4 | four bits]`
 * is the byte that came out (bits 0-7), whether one did (bit 8), whether the four bits led to the end-of-string
 * word (bit 9), and the state after them (from bit 16). A word has five bits or more, so at most one byte comes out.
 */
const steps: Int32Array = new Int32Array(256 * 16);
/** 1 for states in which a string may end: less than a byte of nothing but ones since the last word. */
const mayEnd: Uint8Array = new Uint8Array(256);

const EMITS = 0x100;
const DEAD = 0x200;
const STATE_SHIFT = 16;

buildTables();

function buildTables(): void {
  // The tree, two branches a node: -1 - byte for a leaf, else the number of the inner node.
  const branches: number[] = [0, 0];
  let word = 0;
  let bits = 5;
  for (; bits <= EOS_BITS; bits++, word *= 2) {
    for (let byte = 0; byte < 256; byte++) {
      if (wordBits[byte] !== bits) continue;
      words[byte] = word;
      plant(branches, word++, bits, byte);
    }
  }
  plant(branches, 2 ** EOS_BITS - 1, EOS_BITS, EOS);
  for (let state = 0; state * 2 < branches.length; state++) {
    for (let four = 0; four < 16; four++) steps[(state << 4) | four] = walk(branches, state, four);
  }
  for (let state = 0, ones = 0; ones < 8; ones++, state = branches[state * 2 + 1]!) mayEnd[state] = 1;
}

function plant(branches: number[], word: number, bits: number, byte: number): void {
  let node = 0;
  for (let bit = bits - 1; bit > 0; bit--) {
    const at = node * 2 + ((word >>> bit) & 1);
    if (branches[at] === 0) {
      branches[at] = branches.length / 2;
      branches.push(0, 0);
    }
    node = branches[at]!;
  }
  branches[node * 2 + (word & 1)] = -1 - byte;
}

function walk(branches: readonly number[], from: number, four: number): number {
  let state = from;
  let out = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const next = branches[state * 2 + ((four >>> bit) & 1)]!;
    if (next >= 0) state = next;
    else if (next === -1 - EOS) return DEAD;
    else {
      out = EMITS | (-1 - next);
      state = 0;
    }
  }
  return (state << STATE_SHIFT) | out;
}

/** Bytes that `coded` ones can become at most. */
export function decodedBytesAtMost(coded: number): number {
  return Math.ceil((coded * 8) / 5);
}

/**
 * Decodes `from[at..end)` into `to`, which has room for {@link decodedBytesAtMost}.
 *
 * @returns the bytes written, or -1 where the string is not one of this code (RFC 7541 §5.2)
 */
export function decodeHuffman(from: Uint8Array, at: number, end: number, to: Uint8Array): number {
  let state = 0;
  let written = 0;
  let dead = 0;
  for (let i = at; i < end; i++) {
    const byte = from[i]!;
    let step = steps[(state << 4) | (byte >>> 4)]!;
    // Written in any case and overwritten unless it counts: no branch to guess.
    to[written] = step;
    written += (step >>> 8) & 1;
    dead |= step;
    step = steps[((step >>> STATE_SHIFT) << 4) | (byte & 15)]!;
    to[written] = step;
    written += (step >>> 8) & 1;
    dead |= step;
    state = step >>> STATE_SHIFT;
  }
  return (dead & DEAD) !== 0 || mayEnd[state] === 0 ? -1 : written;
}

/** Bytes of `text` (one byte a character) in this code. */
export function huffmanBytes(text: string): number {
  let bits = 7;
  for (let i = 0; i < text.length; i++) bits += wordBits[text.charCodeAt(i) & 0xff]!;
  return bits >>> 3;
}

/** Writes `text` to `to` from `at`, where there is room for {@link huffmanBytes}. @returns where it ends */
export function encodeHuffman(text: string, to: Uint8Array, at: number): number {
  let pos = at;
  // At most seven bits are left over when a word of at most 30 comes: more than an int32 holds, so long words come in two.
  let pending = 0;
  let bits = 0;
  for (let i = 0; i < text.length; i++) {
    const byte = text.charCodeAt(i) & 0xff;
    const word = words[byte]!;
    let length = wordBits[byte]!;
    if (length > 16) {
      length -= 16;
      pending = (pending << length) | (word >>> 16);
      bits += length;
      while (bits >= 8) {
        bits -= 8;
        to[pos++] = pending >>> bits;
      }
      pending = (pending << 16) | (word & 0xffff);
      bits += 16;
    } else {
      pending = (pending << length) | word;
      bits += length;
    }
    while (bits >= 8) {
      bits -= 8;
      to[pos++] = pending >>> bits;
    }
  }
  // Filled up with the beginning of the end-of-string word.
  if (bits > 0) to[pos++] = (pending << (8 - bits)) | (0xff >>> bits);
  return pos;
}
