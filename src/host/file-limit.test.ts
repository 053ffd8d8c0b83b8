import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openFileLimit, parseOpenFileLimit } from './file-limit.ts';

test('the soft limit of open files', () => {
  const line = (soft: string): string =>
    `Limit                     Soft Limit           Hard Limit           Units     \nMax open files            ${soft}                 524288               files     \n`;
  assert.equal(parseOpenFileLimit(line('1024')), 1024);
  assert.equal(parseOpenFileLimit(line('unlimited')), Number.POSITIVE_INFINITY);
  assert.equal(parseOpenFileLimit(''), Number.POSITIVE_INFINITY);
  assert.ok(openFileLimit() > 0);
});
