import assert from 'node:assert/strict';
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { tempDir } from '../../test/support/temp-dir.ts';
import { type SetFile, writeFileSet } from './file-set.ts';

const file = (path: string, text: string, mode = 0o644): SetFile => ({
  path,
  mode,
  bytes: Buffer.from(text),
});

test('files change all at once, by the one link that they are behind', (t) => {
  const folder = tempDir(t);
  const text = (path: string): string => readFileSync(join(folder, path), 'utf8');
  writeFileSet(folder, [file('a', 'old a'), file('deep/b', 'old b', 0o400), file('gone', 'x')]);
  assert.deepEqual([text('a'), text('deep/b'), text('gone')], ['old a', 'old b', 'x']);
  assert.equal(statSync(join(folder, 'deep/b')).mode & 0o777, 0o400);
  assert.equal(readlinkSync(join(folder, 'a')), '..data/a');
  const before = readlinkSync(join(folder, '..data'));
  const open = openSync(join(folder, 'a'), 'r');

  writeFileSet(folder, [file('a', 'new a'), file('deep/b', 'new b'), file('late', 'y')]);
  assert.deepEqual([text('a'), text('deep/b'), text('late')], ['new a', 'new b', 'y']);
  assert.equal(readFileSync(open, 'utf8'), 'old a', 'who has it open reads on');
  closeSync(open);
  const after = readlinkSync(join(folder, '..data'));
  assert.notEqual(after, before);
  assert.deepEqual(readdirSync(folder).sort(), ['..data', after, 'a', 'deep', 'late'].sort());
});
