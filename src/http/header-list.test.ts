import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  filterHeaders,
  hasHeader,
  headerOf,
  joinedHeaderOf,
  removeHeader,
  setHeader,
} from './header-list.ts';

const list = (): string[] => ['a', '1', 'b', '2', 'a', '3'];

test('reading', () => {
  assert.equal(headerOf(list(), 'a'), '1');
  assert.equal(headerOf(list(), 'c'), undefined);
  assert.equal(joinedHeaderOf(list(), 'a'), '1,3');
  assert.equal(hasHeader(list(), '1'), false, 'a value is no name');
});

test('setting keeps the first place and drops the others', () => {
  const headers = list();
  setHeader(headers, 'a', 'x');
  assert.deepEqual(headers, ['a', 'x', 'b', '2']);
  setHeader(headers, 'c', 'y');
  assert.deepEqual(headers, ['a', 'x', 'b', '2', 'c', 'y']);
});

test('removing', () => {
  const headers = list();
  assert.equal(removeHeader(headers, 'a'), true);
  assert.equal(removeHeader(headers, 'a'), false);
  assert.deepEqual(headers, ['b', '2']);
  const kept = list();
  filterHeaders(kept, (name) => name === 'a');
  assert.deepEqual(kept, ['a', '1', 'a', '3']);
});
