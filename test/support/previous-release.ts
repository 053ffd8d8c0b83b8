/** The release before this one, out of the history of this checkout. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { TestContext } from 'node:test';

/** What counts as that release; moved on with each one. */
export const previousRelease = '1925b69c84bcbe7ae984f3814997cbfde9bbe23b';

const root = resolve(import.meta.dirname, '../..');
let folder: string | undefined;

/**
 * A folder with its source, ready to run; made once a process. Undefined after the test was marked as skipped,
 * where the history is not there (a shallow clone, a package): return then.
 */
export function previousSource(t: TestContext): string | undefined {
  if (folder !== undefined) return folder;
  try {
    execFileSync('git', ['cat-file', '-e', `${previousRelease}^{commit}`], { cwd: root, stdio: 'ignore' });
  } catch {
    t.skip(`commit ${previousRelease.slice(0, 8)} is not in the history of this checkout`);
    return undefined;
  }
  const made = mkdtempSync(join(tmpdir(), 'heddle-previous-'));
  // Of all tests of the file.
  process.once('exit', () => rmSync(made, { recursive: true, force: true }));
  const archive = execFileSync(
    'git',
    [
      'archive',
      previousRelease,
      'src',
      'proto',
      'scripts',
      'package.json',
      'tsconfig.json',
      'buf.gen.yaml',
      'buf.yaml',
    ],
    {
      cwd: root,
      maxBuffer: 256 * 1024 * 1024,
    },
  );
  execFileSync('tar', ['-x', '-C', made], { input: archive });
  symlinkSync(join(root, 'node_modules'), join(made, 'node_modules'));
  execFileSync(process.execPath, [join(made, 'scripts/generate.mjs')], { cwd: made, stdio: 'pipe' });
  if (!existsSync(join(made, 'src/xds/gen/files.js'))) throw new Error('nothing was generated');
  folder = made;
  return made;
}
