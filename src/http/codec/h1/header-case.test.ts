import assert from 'node:assert/strict';
import { test } from 'node:test';
import { properCase, writeFields } from './header-case.ts';

test('words begin with a capital, after any character that is no letter', () => {
  assert.equal(properCase('content-type'), 'Content-Type');
  assert.equal(properCase('x-b3-traceid'), 'X-B3-Traceid');
  assert.equal(properCase('a_b!c2d'), 'A_B!C2d');
});

test('names go out as they came in, others as the format says', () => {
  const headers = ['x-own', '1', 'date', 'now'];
  assert.equal(writeFields(headers, undefined, false), 'x-own: 1\r\ndate: now\r\n');
  assert.equal(writeFields(headers, ['x-own', 'X-oWN'], false), 'X-oWN: 1\r\ndate: now\r\n');
  assert.equal(writeFields(headers, ['x-own', 'X-oWN'], true), 'X-oWN: 1\r\nDate: now\r\n');
});
