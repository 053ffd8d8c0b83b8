import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLogger } from '#observe/log.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { tempDir } from '../../../test/support/temp-dir.ts';
import { watchFileSource } from './file-source.ts';

test('a file that names files of a folder that is not there is read again when it changes', async (t) => {
  const folder = tempDir(t);
  const path = join(folder, 'secrets.json');
  const write = (filename: string): void => {
    const secret = {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
      name: 'roots',
      validation_context: { trusted_ca: { filename } },
    };
    const next = join(folder, 'next.json');
    writeFileSync(next, JSON.stringify({ resources: [secret] }));
    renameSync(next, path);
  };
  write(join(folder, 'nowhere', 'ca.pem'));
  const errors: string[] = [];
  let applied = 0;
  const source = watchFileSource({
    kind: 'secret',
    source: { kind: 'file', id: path, path },
    configuration: undefined as never,
    log: { ...silentLogger, error: (event) => void errors.push(event) },
    apply: async () => {
      applied++;
      return { problems: [], applied: [] };
    },
    onUnreadable() {},
  });
  t.after(() => source.close());
  await eventually(() => assert.deepEqual(errors, ['apply.file-not-watched']));
  assert.equal(applied, 1);
  write(join(folder, 'ca.pem'));
  await eventually(() => assert.ok(applied > 1));
});
