import assert from 'node:assert/strict';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLogger } from '#observe/log.ts';
import { tempDir } from '../../../test/support/temp-dir.ts';
import type { EntryDocument } from './entry-document.ts';
import { EntryFiles } from './entry-files.ts';

const entry = (name: string, weight = 1): EntryDocument => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'WorkloadEntry',
  metadata: { name, namespace: 'shop', labels: {}, annotations: {} },
  spec: { address: '10.0.0.7', weight },
  status: { conditions: [] },
});

test('entries are kept for who comes after, the last of several, and are gone when they are forgotten', async (t) => {
  const folder = join(tempDir(t), 'registrations');
  const files = new EntryFiles(folder, silentLogger);
  assert.deepEqual(await files.load(), []);
  files.keep(entry('a'));
  files.keep(entry('b'));
  files.keep(entry('a', 2));
  files.keep(entry('c'));
  files.forget(entry('c'));
  await files.settled();
  assert.deepEqual(readdirSync(folder).sort(), ['shop.a.json', 'shop.b.json']);
  assert.equal(statSync(files.pathOf(entry('a'))).mode & 0o777, 0o600);
  assert.deepEqual(await new EntryFiles(folder, silentLogger).load(), [entry('a', 2), entry('b')]);
  files.forget(entry('a'));
  await files.settled();
  assert.deepEqual(await files.load(), [entry('b')]);
});

test('one that cannot be read is left out', async (t) => {
  const folder = tempDir(t);
  const texts = [
    '{',
    '{}',
    'null',
    JSON.stringify(entry('other')),
    JSON.stringify(entry('a')).replace('10.0', 'x/'),
  ];
  for (const [i, text] of texts.entries()) writeFileSync(join(folder, `shop.a${i}.json`), text);
  const files = new EntryFiles(folder, silentLogger);
  files.keep(entry('b'));
  await files.settled();
  assert.deepEqual(await files.load(), [entry('b')]);
});
