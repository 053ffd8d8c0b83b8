import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createLogFiles } from './log-files.ts';

test('log files: shared by path, batched, bytes kept, reopened after a rotation', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-log-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'access.log');
  const files = createLogFiles();
  const writer = files.open(path);
  assert.equal(files.open(path), writer);
  writer.write('one \u00c3\u00a9\n');
  assert.equal(readFileSync(path, 'utf8'), '', 'a line waits for its batch');
  files.flush();
  assert.equal(readFileSync(path, 'utf8'), 'one é\n', 'one character is one byte');

  renameSync(path, `${path}.1`);
  writer.write('two\n');
  files.reopen();
  writer.write('three\n');
  files.close();
  assert.equal(readFileSync(`${path}.1`, 'utf8'), 'one é\ntwo\n');
  assert.equal(readFileSync(path, 'utf8'), 'three\n');

  const big = createLogFiles().open(path);
  big.write(`${'x'.repeat(64 * 1024)}\n`);
  assert.equal(
    readFileSync(path).length,
    'three\n'.length + 64 * 1024 + 1,
    'a full batch is written at once',
  );
  big.close();
});
