import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type StreamAccount, StreamAccounts } from './stream-accounts.ts';

test('the heaviest streams go first, and fifty at once', () => {
  const accounts = new StreamAccounts(10);
  const gone: number[] = [];
  let held: readonly number[] = [];
  const holder = {
    eachAccount(visit: (account: StreamAccount) => void): void {
      for (const heldBytes of held) visit({ heldBytes, reset: () => gone.push(heldBytes) });
    },
  };
  accounts.add(holder);
  const resetAt = (pressure: number, ...bytes: readonly number[]): readonly number[] => {
    held = bytes;
    gone.length = 0;
    assert.equal(accounts.resetHeaviest(pressure), gone.length);
    return [...gone];
  };
  const KIB = 1024;
  // The last of eight classes is that of 128 times the least.
  assert.deepEqual(resetAt(0.1, KIB, 127 * KIB, 128 * KIB, 999 * KIB), [999 * KIB, 128 * KIB]);
  assert.deepEqual(resetAt(0.5, KIB, 7 * KIB, 8 * KIB, 16 * KIB), [16 * KIB, 8 * KIB]);
  assert.deepEqual(resetAt(1, KIB - 1, KIB), [KIB]);
  assert.equal(resetAt(1, ...Array.from({ length: 60 }, () => KIB)).length, 50);
  accounts.remove(holder);
  assert.deepEqual(resetAt(1, KIB), []);
});
