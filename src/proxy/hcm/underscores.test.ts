import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dropUnderscored } from './underscores.ts';

test('fields with an underscore are taken out, the others keep their order', () => {
  const headers = ['a_b', '1', 'a', '2', 'c_', '3', 'b', '4'];
  assert.equal(dropUnderscored(headers), 2);
  assert.deepEqual(headers, ['a', '2', 'b', '4']);
  assert.equal(dropUnderscored(headers), 0);
});
