import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { derBitString, derObjectIdentifier, derOctetString, derSequence, derSmallInteger } from './der.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('DER', () => {
  const cases: [encoded: Uint8Array, expected: string, why: string][] = [
    [derSmallInteger(0), '020100', 'X.690 §8.3'],
    [derSequence(), '3000', 'an empty sequence'],
    [derSequence(derSmallInteger(1)), '3003020101', 'a sequence of one'],
    [derBitString(Uint8Array.of(0xff)), '030200ff', 'no unused bits'],
    [derObjectIdentifier('2.5.29.17'), '0603551d11', 'the first two arcs share an octet'],
    [derObjectIdentifier('1.2.840.10045.4.3.2'), '06082a8648ce3d040302', 'arcs of more than seven bits'],
  ];
  for (const [encoded, expected, why] of cases) test(why, () => assert.equal(hex(encoded), expected));

  const lengths: [content: number, head: string][] = [
    [127, '047f'],
    [128, '048180'],
    [255, '0481ff'],
    [256, '04820100'],
    [65536, '0483010000'],
  ];
  for (const [content, head] of lengths) {
    test(`a length of ${content}`, () => {
      const encoded = derOctetString(new Uint8Array(content));
      assert.equal(hex(encoded.subarray(0, head.length / 2)), head);
      assert.equal(encoded.length, content + head.length / 2);
    });
  }
});
