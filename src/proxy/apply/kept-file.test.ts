import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { atOnce } from '#core/time-slice.ts';
import { tempDir } from '../../../test/support/temp-dir.ts';
import { type KeptResource, readKeptFile, writeKeptFile } from './kept-file.ts';

const resources: readonly KeptResource[] = [
  { kind: 'cluster', name: 'a', version: 'v1', sourceId: '', encoded: new Uint8Array([10, 1, 97]) },
  { kind: 'route', name: 'r', version: '', sourceId: 'sotw:xds', encoded: new Uint8Array([10, 1, 114]) },
];

function written(t: TestContext): string {
  const file = join(tempDir(t), 'kept');
  atOnce(writeKeptFile(file, 'me', resources));
  return file;
}

function edit(file: string, from: string, to: string): void {
  writeFileSync(file, readFileSync(file, 'latin1').replace(from, to), 'latin1');
}

describe('the file of a kept configuration', () => {
  test('gives back what was written, and nobody else may read it', (t) => {
    const file = written(t);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const read = readKeptFile(file, 'me');
    assert.ok(read?.ok);
    assert.deepEqual(
      read.resources.map((one) => ({ ...one, encoded: new Uint8Array(one.encoded) })),
      resources,
    );
  });

  test('there may be none', (t) => {
    assert.equal(readKeptFile(join(tempDir(t), 'none'), 'me'), undefined);
  });

  test('the next one takes its place, also where a crash has left a part', (t) => {
    const file = written(t);
    writeFileSync(`${file}.new`, 'half', { mode: 0o644 });
    atOnce(writeKeptFile(file, 'me', []));
    const read = readKeptFile(file, 'me');
    assert.ok(read?.ok);
    assert.deepEqual(read.resources, []);
    assert.ok(!existsSync(`${file}.new`));
    assert.equal(statSync(file).mode & 0o777, 0o600);
  });

  const broken: readonly (readonly [how: string, spoil: (file: string) => void, reason: RegExp])[] = [
    ['is cut off', (file) => truncateSync(file, statSync(file).size - 1), /not whole, or was changed/],
    ['is empty', (file) => truncateSync(file, 0), /does not begin as such a file does/],
    ['is something else', (file) => edit(file, '{', '['), /does not begin as such a file does/],
    ['was changed', (file) => edit(file, 'v1', 'v2'), /not whole, or was changed/],
    ['is of another form', (file) => edit(file, '"format":1', '"format":2'), /has format 2, not 1/],
    ['is of another node', (file) => edit(file, '"node":"me"', '"node":"x"'), /that of node "x"/],
    ['may be read by others', (file) => chmodSync(file, 0o640), /its mode must be 0600/],
  ];
  for (const [how, spoil, reason] of broken) {
    test(`is not believed where it ${how}`, (t) => {
      const file = written(t);
      spoil(file);
      const read = readKeptFile(file, 'me');
      assert.ok(read?.ok === false);
      assert.match(read.reason, reason);
    });
  }
});
