import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { boundLog, LogTail } from './log-file.ts';

describe('log file', () => {
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

  test('a file over its bound starts again, and a tail follows', () => {
    writeFileSync(path, 'x'.repeat(20));
    const tail = new LogTail(path, 0);
    tail.read();
    boundLog(path, 20);
    assert.equal(readFileSync(path, 'utf8').length, 20);
    boundLog(path, 19);
    assert.equal(readFileSync(path, 'utf8'), '');
    assert.equal(readFileSync(`${path}.1`, 'utf8').length, 20);
    appendFileSync(path, 'new\n');
    assert.deepEqual(tail.read(), ['new']);
  });
});
