/** The Huffman code of HPACK (RFC 7541 Appendix B), decoded as far as header text goes. */

/** Bits of the code of each printable character, from the space on; the code is canonical. */
const printable = [
  6,
  10,
  10,
  12,
  13,
  6,
  8,
  11,
  10,
  10,
  8,
  11,
  8,
  6,
  6,
  6, // space to /
  5,
  5,
  5,
  6,
  6,
  6,
  6,
  6,
  6,
  6,
  7,
  8,
  15,
  6,
  12,
  10, // 0 to ?
  13,
  6,
  7,
  7,
  7,
  7,
  7,
  7,
  7,
  7,
  7,
  7,
  7,
  7,
  7,
  7, // @ to O
  7,
  7,
  7,
  7,
  7,
  7,
  7,
  7,
  8,
  7,
  8,
  13,
  19,
  13,
  14,
  6, // P to _
  15,
  5,
  6,
  5,
  6,
  5,
  6,
  6,
  6,
  5,
  7,
  7,
  6,
  6,
  6,
  5, // ` to o
  6,
  7,
  6,
  5,
  5,
  6,
  7,
  7,
  7,
  7,
  7,
  15,
  11,
  14,
  13, // p to ~
];
/** The only other one of fewer than 19 bits: NUL. */
const NUL_BITS = 13;

/** From `bits:code` to the character. */
const codes = new Map<string, string>();
{
  const symbols = [{ char: '\0', bits: NUL_BITS }].concat(
    printable.map((bits, at) => ({ char: String.fromCharCode(0x20 + at), bits })),
  );
  let code = 0;
  let length = 0;
  for (const { char, bits } of symbols.sort((a, b) => a.bits - b.bits || (a.char < b.char ? -1 : 1))) {
    code <<= bits - length;
    length = bits;
    codes.set(`${bits}:${code}`, char);
    code++;
  }
}

const LONGEST_BITS = 19;

/** Characters outside of printable ASCII become a question mark, and end the text. */
export function huffmanDecoded(bytes: Buffer): string {
  let text = '';
  let code = 0;
  let bits = 0;
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      code = (code << 1) | ((byte >> bit) & 1);
      bits++;
      const char = codes.get(`${bits}:${code}`);
      if (char !== undefined) {
        text += char;
        code = 0;
        bits = 0;
      } else if (bits > LONGEST_BITS) return `${text}?`;
    }
  }
  return text;
}
