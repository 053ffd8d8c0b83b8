import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { boundLog } from './log-file.ts';

test('a file over its bound starts again, with its predecessor beside it', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'heddle-log-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'a.log');
  boundLog(path, 20); // not there yet
  writeFileSync(path, 'x'.repeat(20));
  boundLog(path, 20);
  assert.ok(!existsSync(`${path}.1`));
  boundLog(path, 19);
  assert.equal(readFileSync(path, 'utf8'), '');
  assert.equal(readFileSync(`${path}.1`, 'utf8').length, 20);
});
