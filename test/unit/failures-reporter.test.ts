/** Which files are run again is told by the files that were run, and not by where their tests stand. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { failedFiles } from '../../scripts/failures-reporter.ts';
import { tempDir } from '../support/temp-dir.ts';

const reporter = resolve(import.meta.dirname, '../../scripts/failures-reporter.ts');

test('a test that another file makes counts for the one that was run', (t) => {
  const folder = tempDir(t);
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  write(
    'shared.mjs',
    `import { test } from 'node:test';
     export const judge = (ok) => test('shared', () => { if (!ok) throw new Error('it is not'); });`,
  );
  const bad = write('bad.test.mjs', `import { judge } from './shared.mjs'; judge(false);`);
  const good = write('good.test.mjs', `import { judge } from './shared.mjs'; judge(true);`);
  const report = join(folder, 'report');
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { status } = spawnSync(
    process.execPath,
    ['--test', `--test-reporter=${reporter}`, `--test-reporter-destination=${report}`, bad, good],
    { env },
  );
  assert.equal(status, 1);
  const text = readFileSync(report, 'utf8');
  assert.deepEqual(failedFiles(text), [bad]);
  assert.match(text, /shared\.mjs:2\n/);
});
