import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { lockHolder, takeLock } from './lock-file.ts';
import { identifyProcess } from './process-identity.ts';

describe('lock file', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'heddle-lock-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  test('is held by one, named to the other, and free after release', () => {
    const path = join(directory, 'deeper', 'a.lock');
    const first = takeLock(path, 'shop');
    assert.ok(first.ok);
    const second = takeLock(path, 'other');
    assert.ok(!second.ok);
    assert.equal(second.holder.pid, process.pid);
    assert.equal(second.holder.note, 'shop');
    assert.equal(lockHolder(path)?.note, 'shop');
    first.release();
    assert.equal(lockHolder(path), undefined);
    assert.ok(takeLock(path, 'other').ok);
    assert.deepEqual(readdirSync(join(directory, 'deeper')), ['a.lock']);
  });

  const own = identifyProcess(process.pid)!;
  const stale = [
    { why: 'its holder ended', text: JSON.stringify({ pid: 2 ** 22 + 1, startTime: '1', note: '' }) },
    { why: 'the pid went to another process', text: JSON.stringify({ ...own, startTime: '1', note: '' }) },
    { why: 'it is not a lock at all', text: '{' },
  ];
  for (const { why, text } of stale) {
    test(`is taken over when ${why}`, () => {
      const path = join(directory, 'a.lock');
      writeFileSync(path, text);
      assert.equal(lockHolder(path), undefined);
      const lock = takeLock(path, 'new');
      assert.ok(lock.ok);
      assert.equal(lockHolder(path)?.pid, process.pid);
      assert.deepEqual(readdirSync(directory), ['a.lock']);
    });
  }

  const isRoot = process.getuid?.() === 0;
  test("another user's is taken, and stays", { skip: !isRoot && 'needs root, to be two users' }, () => {
    const path = join(directory, 'a.lock');
    writeFileSync(path, stale[0]!.text);
    // As /tmp itself.
    chmodSync(directory, 0o1777);
    // The runtime reads the program before it becomes somebody else, who may not.
    const script = `
      const { takeLock } = await import(${JSON.stringify(import.meta.resolve('./lock-file.ts'))});
      process.setgroups([]); process.setgid(65534); process.setuid(65534);
      console.log(takeLock(${JSON.stringify(path)}, 'mine').ok);`;
    const said = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    assert.equal(said.trim(), 'false');
    assert.deepEqual(readdirSync(directory), ['a.lock']);
  });

  test('a release does not take away what another has taken over', () => {
    const path = join(directory, 'a.lock');
    const lock = takeLock(path, 'first');
    assert.ok(lock.ok);
    writeFileSync(path, JSON.stringify({ ...own, note: 'second' }));
    lock.release();
    assert.equal(lockHolder(path)?.note, 'second');
  });
});
