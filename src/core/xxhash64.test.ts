import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hashByteString, xxhash64, xxhash64Hex } from './xxhash64.ts';

const encoder = new TextEncoder();

describe('xxhash64', () => {
  const cases: [text: string, seed: bigint, hash: bigint, why: string][] = [
    ['', 0n, 0xef46db3751d8e999n, 'nothing'],
    ['a', 0n, 0xd24ec4f1a98c6e5bn, 'one byte'],
    ['as', 0n, 0x1c330fb2d66be179n, 'two bytes'],
    ['asd', 0n, 0x631c37ce72a97393n, 'three bytes'],
    ['asdf', 0n, 0x415872f599cea71en, 'one word of four'],
    ['abc', 0n, 0x44bc2cf5ad770999n, 'three bytes'],
    ['xxhash', 0n, 0x32dd38952c4bc720n, 'four and two'],
    ['xxhash', 20141025n, 0xb559b98d844e0635n, 'with a seed'],
    ['Nobody inspects the spammish repetition', 0n, 0xfbcea83c8a378bf1n, 'one stripe and a rest'],
    [
      'Call me Ishmael. Some years ago--never mind how long precisely-',
      0n,
      0x02a2e85470d6fd96n,
      'stripe, words of eight and four, and bytes',
    ],
  ];
  for (const [text, seed, hash, why] of cases) {
    test(`${JSON.stringify(text)} seed ${seed}: ${hash.toString(16)} (${why})`, () => {
      assert.equal(xxhash64(encoder.encode(text), seed), hash);
    });
  }

  test('agrees with the specification written down with bigints, for every length up to 200', () => {
    const bytes = Uint8Array.from({ length: 200 }, (_, i) => (i * 167 + 13) % 256);
    for (let length = 0; length <= bytes.length; length++) {
      const part = bytes.subarray(0, length);
      assert.equal(
        xxhash64(part, 0x9e3779b97f4a7c15n),
        specified(part, 0x9e3779b97f4a7c15n),
        `length ${length}`,
      );
    }
  });

  test('of a byte string: the same, short after long, with and without a seed', () => {
    const into = { hi: 0, lo: 0 };
    for (const text of ['x'.repeat(1000), 'caf\xe9', '', 'a', '10.0.0.1:80_17', 'y'.repeat(63)]) {
      for (const seed of [0, 1, 0xffffffff]) {
        hashByteString(text, seed, into);
        const expected = xxhash64(
          Uint8Array.from(text, (char) => char.charCodeAt(0)),
          BigInt(seed),
        );
        assert.equal((BigInt(into.hi) << 32n) | BigInt(into.lo), expected, `${text} ${seed}`);
      }
    }
  });

  test('hexadecimal keeps its leading zeros', () => {
    const text = 'Call me Ishmael. Some years ago--never mind how long precisely-';
    assert.equal(xxhash64Hex(encoder.encode(text)), '02a2e85470d6fd96');
  });
});

/** The specification, step by step and slowly. */
function specified(bytes: Uint8Array, seed: bigint): bigint {
  const mask = (1n << 64n) - 1n;
  const [p1, p2, p3, p4, p5] = [
    0x9e3779b185ebca87n,
    0xc2b2ae3d27d4eb4fn,
    0x165667b19e3779f9n,
    0x85ebca77c2b2ae63n,
    0x27d4eb2f165667c5n,
  ] as const;
  const rotate = (x: bigint, by: bigint): bigint => ((x << by) | (x >> (64n - by))) & mask;
  const round = (acc: bigint, lane: bigint): bigint => (rotate((acc + lane * p2) & mask, 31n) * p1) & mask;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  let h = (seed + p5) & mask;
  if (bytes.length >= 32) {
    const acc = [seed + p1 + p2, seed + p2, seed, seed - p1].map((x) => x & mask);
    for (; at + 32 <= bytes.length; at += 32) {
      for (let i = 0; i < 4; i++) acc[i] = round(acc[i]!, view.getBigUint64(at + 8 * i, true));
    }
    h = (rotate(acc[0]!, 1n) + rotate(acc[1]!, 7n) + rotate(acc[2]!, 12n) + rotate(acc[3]!, 18n)) & mask;
    for (const a of acc) h = ((h ^ round(0n, a)) * p1 + p4) & mask;
  }
  h = (h + BigInt(bytes.length)) & mask;
  for (; at + 8 <= bytes.length; at += 8) {
    h = (rotate(h ^ round(0n, view.getBigUint64(at, true)), 27n) * p1 + p4) & mask;
  }
  if (at + 4 <= bytes.length) {
    h = (rotate(h ^ ((BigInt(view.getUint32(at, true)) * p1) & mask), 23n) * p2 + p3) & mask;
    at += 4;
  }
  for (; at < bytes.length; at++) h = (rotate(h ^ ((BigInt(bytes[at]!) * p5) & mask), 11n) * p1) & mask;
  h = ((h ^ (h >> 33n)) * p2) & mask;
  h = ((h ^ (h >> 29n)) * p3) & mask;
  return h ^ (h >> 32n);
}
