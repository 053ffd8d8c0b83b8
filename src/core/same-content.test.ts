import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { isSameContent } from './same-content.ts';

const value = fc.anything({
  values: [fc.integer({ min: 0, max: 2 }), fc.constantFrom('a', 'b', '', undefined, null, true, 1n, 2n)],
  maxDepth: 3,
});

test('says of two values what Node does, and of copies that they are the same', () => {
  fc.assert(
    fc.property(value, value, (a, b) => {
      assert.equal(isSameContent(a, b), isDeepStrictEqual(a, b));
      assert.equal(isSameContent(a, structuredClone(a)), true);
    }),
    { numRuns: 1000 },
  );
});

test('tells bytes, lists and objects apart', () => {
  const bytes = new Uint8Array([1, 2]);
  assert.equal(isSameContent(bytes, new Uint8Array([1, 2])), true);
  assert.equal(isSameContent(bytes, new Uint8Array([1, 3])), false);
  for (const other of [[1, 2], { 0: 1, 1: 2 }, undefined]) assert.equal(isSameContent(bytes, other), false);
  assert.equal(isSameContent([], {}), false);
  assert.equal(isSameContent({ a: undefined }, { b: undefined }), false);
});
