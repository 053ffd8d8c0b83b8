import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sharedSettings } from './shared-settings.ts';

test('what is equal is one object, and what is not is another', () => {
  const one = sharedSettings({ max: Number.POSITIVE_INFINITY, of: { retries: 3 } });
  assert.equal(sharedSettings({ max: Number.POSITIVE_INFINITY, of: { retries: 3 } }), one);
  assert.notEqual(sharedSettings({ max: null, of: { retries: 3 } }), one);
  assert.notEqual(sharedSettings({ max: Number.POSITIVE_INFINITY, of: { retries: 4 } }), one);
});

test('with many of them it forgets', () => {
  const first = sharedSettings({ number: -1 });
  for (let number = 0; number < 300; number++) sharedSettings({ number });
  assert.notEqual(sharedSettings({ number: -1 }), first);
});
