/** Unsigned 64-bit words as two halves: plain numbers, about ten times faster than bigint. */

/** Both halves unsigned (0 to 2^32 - 1) or both as bit operations leave them; {@link remainder} takes the former. */
export interface Word64 {
  hi: number;
  lo: number;
}

/** The lowest 64 bits of a product. */
export function multiply(aHi: number, aLo: number, bHi: number, bLo: number, into: Word64): void {
  const a0 = aLo & 0xffff;
  const a1 = aLo >>> 16;
  const b0 = bLo & 0xffff;
  const b1 = bLo >>> 16;
  const low = a0 * b0;
  const middle = a1 * b0 + (low >>> 16);
  const carry = a0 * b1 + (middle % 0x10000);
  const high = a1 * b1 + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000);
  into.lo = Math.imul(aLo, bLo);
  into.hi = (high + Math.imul(aHi, bLo) + Math.imul(aLo, bHi)) | 0;
}

/** @param divisor 1 to 2^26, so that no step leaves the exact integers. */
export function remainder(word: Word64, divisor: number): number {
  return ((word.hi % divisor) * (2 ** 32 % divisor) + word.lo) % divisor;
}
