import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonValue } from '@bufbuild/protobuf';
import { jsonPieces, LazyList, LazyObject } from './json-pieces.ts';

const text = (value: Parameters<typeof jsonPieces>[0]): string => [...jsonPieces(value)].join('');

test('lazy lists and objects give the text of what they hold', () => {
  const plain: JsonValue = { a: 1, b: [{ c: 'x\ny', d: [] }, null], e: {} };
  const lazy = new LazyObject(() => [
    ['plain', plain],
    undefined,
    ['list', new LazyList(() => [plain, undefined, new LazyList(() => [undefined]), 'text'])],
    ['none', new LazyObject(() => [])],
  ]);
  assert.equal(text(lazy), JSON.stringify({ plain, list: [plain, [], 'text'], none: {} }, null, 1));
});

test('nothing is asked for before its turn', () => {
  const asked: number[] = [];
  const list = new LazyList(function* () {
    for (let i = 0; i < 3; i++) {
      asked.push(i);
      yield i;
    }
  });
  const pieces = jsonPieces(list);
  pieces.next();
  assert.deepEqual(asked, [0]);
  assert.equal([...pieces].at(-1), '\n]');
  assert.deepEqual(asked, [0, 1, 2]);
});
