import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { StateFolder } from './state-folder.ts';

const LOOK_MS = 5;

describe('the state folder', () => {
  let parent: string;
  let path: string;
  let folder: StateFolder;
  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), 'heddle-test-'));
    path = join(parent, 'shop');
    const lock = join(path, 'lock');
    mkdirSync(path);
    writeFileSync(lock, '');
    folder = new StateFolder(path, lock, LOOK_MS);
  });
  afterEach(() => {
    folder.close();
    rmSync(parent, { recursive: true });
  });

  const cases: readonly (readonly [what: string, takeAway: () => void, why: string])[] = [
    ['gone', () => rmSync(path, { recursive: true }), 'is gone'],
    ['moved away', () => renameSync(path, `${path}.away`), 'is gone'],
    ['emptied', () => rmSync(join(path, 'lock')), 'has been emptied or replaced'],
    [
      'replaced',
      () => {
        renameSync(path, `${path}.away`);
        mkdirSync(path);
        writeFileSync(join(path, 'lock'), '');
      },
      'has been emptied or replaced',
    ],
    [
      'not to be written to',
      () => folder.keep(() => writeFileSync(join(path, 'none/x'), '')),
      'cannot be written to: ENOENT',
    ],
  ];
  for (const [what, takeAway, why] of cases) {
    test(`${what}: it is said, and left alone from then on`, async () => {
      takeAway();
      const said = await folder.lost;
      assert.ok(said.startsWith(`the state folder ${path} ${why}`), said);
      folder.keep(() => assert.fail('is not to be written to'));
    });
  }
});
