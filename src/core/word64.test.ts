import assert from 'node:assert/strict';
import { test } from 'node:test';
import { multiply, remainder } from './word64.ts';

const words: readonly bigint[] = [
  0n,
  1n,
  0xffffffffn,
  0x100000000n,
  0x8000000000000000n,
  0xffffffffffffffffn,
  0x9e3779b97f4a7c15n,
  0xc6a4a7935bd1e995n,
];
const hi = (word: bigint): number => Number(word >> 32n);
const lo = (word: bigint): number => Number(word & 0xffffffffn);

test('a product is that of integers, cut to 64 bits', () => {
  const into = { hi: 0, lo: 0 };
  for (const a of words) {
    for (const b of words) {
      multiply(hi(a) | 0, lo(a) | 0, hi(b) | 0, lo(b) | 0, into);
      const product = (BigInt(into.hi >>> 0) << 32n) | BigInt(into.lo >>> 0);
      assert.equal(product, BigInt.asUintN(64, a * b), `${a} * ${b}`);
    }
  }
});

test('a remainder is that of integers', () => {
  for (const word of words) {
    for (const divisor of [1, 2, 100, 65537, 5000011, 2 ** 26]) {
      assert.equal(
        remainder({ hi: hi(word), lo: lo(word) }, divisor),
        Number(word % BigInt(divisor)),
        `${word} % ${divisor}`,
      );
    }
  }
});
