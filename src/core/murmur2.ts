/** MurmurHash2 (64A, A. Appleby), as `std::hash` of libstdc++ uses it. Not for secrets. */
import { multiply, type Word64 } from './word64.ts';

const MUL_HI = 0xc6a4a793 | 0;
const MUL_LO = 0x5bd1e995;
/** The seed of `std::hash`. */
const SEED = 0xc70f6907 | 0;

const word: Word64 = { hi: 0, lo: 0 };

/** The hash of a byte string (one character a byte) into `into`, as unsigned halves. */
export function murmur2(text: string, into: Word64): void {
  const { length } = text;
  const aligned = length - (length % 8);
  multiply(0, length, MUL_HI, MUL_LO, word);
  let hi = word.hi;
  let lo = word.lo ^ SEED;
  for (let at = 0; at < aligned; at += 8) {
    multiply(bytesAt(text, at + 4, 4), bytesAt(text, at, 4), MUL_HI, MUL_LO, word);
    shiftMix(word);
    multiply(word.hi, word.lo, MUL_HI, MUL_LO, word);
    multiply(hi ^ word.hi, lo ^ word.lo, MUL_HI, MUL_LO, word);
    ({ hi, lo } = word);
  }
  const rest = length - aligned;
  if (rest > 0) {
    hi ^= bytesAt(text, aligned + 4, rest - 4);
    lo ^= bytesAt(text, aligned, Math.min(rest, 4));
    multiply(hi, lo, MUL_HI, MUL_LO, word);
  } else {
    word.hi = hi;
    word.lo = lo;
  }
  shiftMix(word);
  multiply(word.hi, word.lo, MUL_HI, MUL_LO, word);
  shiftMix(word);
  into.hi = word.hi >>> 0;
  into.lo = word.lo >>> 0;
}

/** v ^ (v >> 47) */
function shiftMix(value: Word64): void {
  value.lo ^= value.hi >>> 15;
}

/** Little endian; nothing for a count below 1. */
function bytesAt(text: string, from: number, count: number): number {
  let value = 0;
  for (let i = 0; i < count; i++) value |= text.charCodeAt(from + i) << (8 * i);
  return value;
}
