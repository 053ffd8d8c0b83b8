import assert from 'node:assert/strict';
import { test } from 'node:test';
import { murmur2 } from './murmur2.ts';

const mask = (1n << 64n) - 1n;
const mul = 0xc6a4a7935bd1e995n;

/** The same, step by step and slowly. */
function specified(text: string): bigint {
  const mix = (value: bigint): bigint => value ^ (value >> 47n);
  let hash = 0xc70f6907n ^ ((BigInt(text.length) * mul) & mask);
  for (let at = 0; at < text.length; at += 8) {
    const part = text.slice(at, at + 8);
    let data = 0n;
    for (let i = 0; i < part.length; i++) data |= BigInt(part.charCodeAt(i)) << BigInt(8 * i);
    if (part.length === 8) data = (mix((data * mul) & mask) * mul) & mask;
    hash = ((hash ^ data) * mul) & mask;
  }
  return mix((mix(hash) * mul) & mask);
}

const of = (text: string): bigint => {
  const into = { hi: 0, lo: 0 };
  murmur2(text, into);
  return (BigInt(into.hi) << 32n) | BigInt(into.lo);
};

test('known answers of std::hash<std::string> in libstdc++', () => {
  const known: readonly (readonly [text: string, hash: bigint])[] = [
    ['', 6_142_509_188_972_423_790n],
    ['a', 4_993_892_634_952_068_459n],
    ['bar', 11_474_628_671_133_349_555n],
    ['10.0.0.1:80_12', 14_295_024_824_828_376_086n],
    ['hello world, this is longer', 1_952_449_512_880_774_063n],
  ];
  for (const [text, hash] of known) assert.equal(of(text), hash, text);
});

test('agrees with the algorithm written down with bigints, for every length up to 64', () => {
  const text = String.fromCharCode(...Array.from({ length: 64 }, (_, i) => (i * 83 + 201) % 256));
  for (let length = 0; length <= text.length; length++) {
    assert.equal(of(text.slice(0, length)), specified(text.slice(0, length)), `length ${length}`);
  }
});
