import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { LogTail } from './log-tail.ts';

describe('log tail', () => {
  let directory: string;
  let path: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'heddle-log-'));
    path = join(directory, 'a.log');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  test('a tail gives whole lines, once each, from where it began', () => {
    writeFileSync(path, 'before\n');
    const tail = new LogTail(path);
    assert.deepEqual(tail.read(), []);
    appendFileSync(path, 'one\ntw');
    assert.deepEqual(tail.read(), ['one']);
    appendFileSync(path, 'o\n\n');
    assert.deepEqual(tail.read(), ['two', '']);
  });

  test('a tail waits for a file that is not there, and for the rest of a character', () => {
    const tail = new LogTail(path);
    assert.deepEqual(tail.read(), []);
    const bytes = Buffer.from('✔ ok\n');
    writeFileSync(path, bytes.subarray(0, 2));
    assert.deepEqual(tail.read(), []);
    appendFileSync(path, bytes.subarray(2));
    assert.deepEqual(tail.read(), ['✔ ok']);
  });

  test('a file that starts again is read from its start', () => {
    writeFileSync(path, 'old\n');
    const tail = new LogTail(path, 0);
    assert.deepEqual(tail.read(), ['old']);
    truncateSync(path, 0);
    tail.read();
    appendFileSync(path, 'new\n');
    assert.deepEqual(tail.read(), ['new']);
  });
});
