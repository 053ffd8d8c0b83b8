import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Mt19937 } from './mt19937.ts';

test('the words that C++ demands of its std::mt19937', () => {
  const random = new Mt19937(5489);
  assert.deepEqual([random.next(), random.next(), random.next()], [3499211612, 581869302, 3890346734]);
  for (let i = 4; i < 10000; i++) random.next();
  assert.equal(random.next(), 4123659995, 'the ten-thousandth, C++ [rand.predef]');
});

test('another seed, the ten-thousandth word', () => {
  const random = new Mt19937(0xdeadbeef);
  for (let i = 1; i < 10000; i++) random.next();
  assert.equal(random.next(), 3857383223);
});
