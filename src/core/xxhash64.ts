/**
 * xxHash64, a fast hash that is not for secrets (Y. Collet, https://github.com/Cyan4973/xxHash, specification 0.1.1).
 * 64-bit words are kept as two 32-bit halves: plain numbers, about ten times faster than bigint here.
 */

import { multiply as multiplyWords, type Word64 } from './word64.ts';

// The five primes of the specification, high and low half.
const p1Hi = 0x9e3779b1;
const p1Lo = 0x85ebca87;
const p2Hi = 0xc2b2ae3d;
const p2Lo = 0x27d4eb4f;
const p3Hi = 0x165667b1;
const p3Lo = 0x9e3779f9;
const p4Hi = 0x85ebca77;
const p4Lo = 0xc2b2ae63;
const p5Hi = 0x27d4eb2f;
const p5Lo = 0x165667c5;

/** Bytes that one round of the main loop takes. */
const stripeBytes = 32;

// The result of the last operation; the functions below are not re-entrant and need not be.
let hi = 0;
let lo = 0;

function add(aHi: number, aLo: number, bHi: number, bLo: number): void {
  const sum = (aLo >>> 0) + (bLo >>> 0);
  lo = sum | 0;
  hi = (aHi + bHi + (sum > 0xffffffff ? 1 : 0)) | 0;
}

const product: Word64 = { hi: 0, lo: 0 };

function multiply(aHi: number, aLo: number, bHi: number, bLo: number): void {
  multiplyWords(aHi, aLo, bHi, bLo, product);
  hi = product.hi;
  lo = product.lo;
}

/** @param by 1 to 31 */
function rotate(aHi: number, aLo: number, by: number): void {
  hi = (aHi << by) | (aLo >>> (32 - by));
  lo = (aLo << by) | (aHi >>> (32 - by));
}

/** The specification's round: accumulator + lane * P2, rotated by 31, times P1. */
function round(accHi: number, accLo: number, laneHi: number, laneLo: number): void {
  multiply(laneHi, laneLo, p2Hi, p2Lo);
  add(accHi, accLo, hi, lo);
  rotate(hi, lo, 31);
  multiply(hi, lo, p1Hi, p1Lo);
}

/** Mixes one accumulator of the main loop into the hash so far. */
function merge(hashHi: number, hashLo: number, accHi: number, accLo: number): void {
  round(0, 0, accHi, accLo);
  multiply(hashHi ^ hi, hashLo ^ lo, p1Hi, p1Lo);
  add(hi, lo, p4Hi, p4Lo);
}

function hash(bytes: Uint8Array, seed: bigint): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  digest(view, bytes.length, Number((seed >> 32n) & 0xffffffffn) | 0, Number(seed & 0xffffffffn) | 0);
}

/** @param length how many bytes of `view`, from its start. */
function digest(view: DataView, length: number, seedHi: number, seedLo: number): void {
  let at = 0;
  if (length >= stripeBytes) {
    at = stripes(view, length, seedHi, seedLo);
  } else {
    add(seedHi, seedLo, p5Hi, p5Lo);
  }
  add(hi, lo, 0, length);
  tail(view, at, length);
  // The final mix: xor with itself shifted by 33, times P2, by 29, times P3, by 32.
  multiply(hi, lo ^ (hi >>> 1), p2Hi, p2Lo);
  multiply(hi ^ (hi >>> 29), lo ^ ((hi << 3) | (lo >>> 29)), p3Hi, p3Lo);
  lo ^= hi;
}

/** What is left after the stripes: eight bytes at a time, then four, then one by one. */
function tail(view: DataView, from: number, length: number): void {
  let at = from;
  let hashHi = hi;
  let hashLo = lo;
  for (; at + 8 <= length; at += 8) {
    round(0, 0, view.getInt32(at + 4, true), view.getInt32(at, true));
    rotate(hashHi ^ hi, hashLo ^ lo, 27);
    multiply(hi, lo, p1Hi, p1Lo);
    add(hi, lo, p4Hi, p4Lo);
    hashHi = hi;
    hashLo = lo;
  }
  if (at + 4 <= length) {
    multiply(0, view.getInt32(at, true), p1Hi, p1Lo);
    rotate(hashHi ^ hi, hashLo ^ lo, 23);
    multiply(hi, lo, p2Hi, p2Lo);
    add(hi, lo, p3Hi, p3Lo);
    hashHi = hi;
    hashLo = lo;
    at += 4;
  }
  for (; at < length; at++) {
    multiply(0, view.getUint8(at), p5Hi, p5Lo);
    rotate(hashHi ^ hi, hashLo ^ lo, 11);
    multiply(hi, lo, p1Hi, p1Lo);
    hashHi = hi;
    hashLo = lo;
  }
  hi = hashHi;
  lo = hashLo;
}

/** The main loop: four accumulators over whole stripes. Returns where the rest begins. */
function stripes(view: DataView, length: number, seedHi: number, seedLo: number): number {
  add(seedHi, seedLo, p1Hi, p1Lo);
  add(hi, lo, p2Hi, p2Lo);
  const acc = new Int32Array(8);
  acc[0] = hi;
  acc[1] = lo;
  add(seedHi, seedLo, p2Hi, p2Lo);
  acc[2] = hi;
  acc[3] = lo;
  acc[4] = seedHi;
  acc[5] = seedLo;
  add(seedHi, seedLo, ~p1Hi, -p1Lo | 0);
  acc[6] = hi;
  acc[7] = lo;
  let at = 0;
  for (const end = length - stripeBytes; at <= end; ) {
    for (let lane = 0; lane < 8; lane += 2, at += 8) {
      round(acc[lane]!, acc[lane + 1]!, view.getInt32(at + 4, true), view.getInt32(at, true));
      acc[lane] = hi;
      acc[lane + 1] = lo;
    }
  }
  const shifts = [1, 7, 12, 18] as const;
  let sumHi = 0;
  let sumLo = 0;
  for (const [i, by] of shifts.entries()) {
    rotate(acc[2 * i]!, acc[2 * i + 1]!, by);
    add(sumHi, sumLo, hi, lo);
    sumHi = hi;
    sumLo = lo;
  }
  for (let lane = 0; lane < 8; lane += 2) merge(hi, lo, acc[lane]!, acc[lane + 1]!);
  return at;
}

/** @param seed the lowest 64 bits count. */
export function xxhash64(bytes: Uint8Array, seed = 0n): bigint {
  hash(bytes, seed);
  return (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
}

/** Sixteen hexadecimal digits, with seed 0: "ef46db3751d8e999" for no bytes. */
export function xxhash64Hex(bytes: Uint8Array): string {
  hash(bytes, 0n);
  return (hi >>> 0).toString(16).padStart(8, '0') + (lo >>> 0).toString(16).padStart(8, '0');
}

let scratch = new DataView(new ArrayBuffer(256));

/**
 * The hash of a byte string (one character a byte) into `into`, as unsigned halves; allocates nothing.
 *
 * @param seedHi the high half of the seed.
 */
export function hashByteString(text: string, seed: number, into: Word64, seedHi = 0): void {
  const { length } = text;
  if (length > scratch.byteLength) scratch = new DataView(new ArrayBuffer(length * 2));
  for (let i = 0; i < length; i++) scratch.setUint8(i, text.charCodeAt(i));
  digest(scratch, length, seedHi, seed);
  into.hi = hi >>> 0;
  into.lo = lo >>> 0;
}
