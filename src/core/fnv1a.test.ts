import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fnv1a } from './fnv1a.ts';

/** From the test suite of the draft (draft-eastlake-fnv, appendix). */
const vectors: readonly (readonly [text: string, hash: number])[] = [
  ['', 0x811c9dc5],
  ['a', 0xe40c292c],
  ['foobar', 0xbf9cf968],
];
for (const [text, hash] of vectors)
  test(`fnv1a of ${JSON.stringify(text)}`, () => assert.equal(fnv1a(text), hash));
