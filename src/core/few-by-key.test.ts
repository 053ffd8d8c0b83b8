import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FewByKey } from './few-by-key.ts';

test('a key has one value or several, each of them once, in the order they were added', () => {
  const few = new FewByKey<string>();
  assert.deepEqual(few.of('a'), []);
  few.add('a', 'one');
  few.add('a', 'one');
  assert.deepEqual(few.of('a'), ['one']);
  few.add('a', 'two');
  few.add('a', 'three');
  few.add('a', 'two');
  few.add('b', 'four');
  assert.deepEqual(few.of('a'), ['one', 'two', 'three']);
  few.remove('a', 'one');
  few.remove('a', 'none');
  assert.deepEqual(few.of('a'), ['two', 'three']);
  assert.deepEqual([...few.keys()], ['a', 'b']);
});

test('a key without a value is gone', () => {
  const few = new FewByKey<object>();
  const [one, two] = [{}, {}];
  few.add('a', one);
  few.remove('a', two);
  assert.deepEqual(few.of('a'), [one]);
  few.remove('a', one);
  few.add('b', one);
  few.add('b', two);
  few.remove('b', one);
  few.remove('b', two);
  few.add('c', one);
  few.forget('c');
  assert.deepEqual([...few.keys()], []);
});
