import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { giveBackFreed } from './malloc-trim.ts';

test('what was freed among what stays is given back', { skip: process.platform !== 'linux' }, () => {
  setFlagsFromString('--expose-gc');
  // Else another thread frees them, when it comes to it.
  setFlagsFromString('--no-concurrent-array-buffer-sweeping');
  const gc = runInNewContext('gc') as (options: object) => void;
  // Each too small to be memory of its own, and one in sixteen stays.
  let all = Array.from({ length: 3200 }, () => Buffer.alloc(16 * 1024, 1));
  const fullBytes = process.memoryUsage.rss();
  const kept = all.filter((_, at) => at % 16 === 0);
  all = [];
  gc({ type: 'major', execution: 'sync' });
  giveBackFreed();
  giveBackFreed();
  assert.equal(kept[1]![0], 1);
  const backBytes = fullBytes - process.memoryUsage.rss();
  assert.ok(backBytes > 30 * 1024 * 1024, `${backBytes} of 47 MB are back`);
});
