import assert from 'node:assert/strict';
import { readdirSync, readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { tempDir } from '../../test/support/temp-dir.ts';
import { certificateFileNames, writeCertificateFiles } from './certificate-files.ts';
import { joinTokenSource } from './join-token-source.ts';

const certificateNumber = (n: number): Parameters<typeof writeCertificateFiles>[1] => ({
  certificateChainPem: `chain ${n}`,
  privateKeyPem: `key ${n}`,
  rootCaPem: `root ${n}`,
  notAfterMs: 0,
});

describe('writeCertificateFiles', () => {
  test('keeps the key from others, and leaves nothing of the certificate before', (t) => {
    const folder = join(tempDir(t), 'certs');
    for (const n of [1, 2, 3]) writeCertificateFiles(folder, certificateNumber(n));
    const { chain, key, root } = certificateFileNames;
    assert.equal(readFileSync(join(folder, chain), 'utf8'), 'chain 3');
    assert.equal(readFileSync(join(folder, key), 'utf8'), 'key 3');
    assert.equal(readFileSync(join(folder, root), 'utf8'), 'root 3');
    assert.equal(statSync(join(folder, key)).mode & 0o777, 0o600);
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    assert.equal(readdirSync(folder).length, 5, 'three links, the folder and the link to it');
  });

  test('changes all three at once', (t) => {
    const folder = join(tempDir(t), 'certs');
    writeCertificateFiles(folder, certificateNumber(1));
    const [chain, key] = [certificateFileNames.chain, certificateFileNames.key].map((name) =>
      dirname(realpathSync(join(folder, name))),
    );
    assert.equal(chain, key);
  });
});

describe('joinTokenSource', () => {
  test('reads a file once and removes it; a new one is read again', async (t) => {
    const tokenFile = join(tempDir(t), 'token');
    const source = joinTokenSource({ tokenFile });
    assert.equal(await source(), undefined);
    for (const token of ['one', 'two']) {
      writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
      assert.equal(await source(), token);
      assert.equal(await source(), undefined);
    }
  });

  test('does not take a token that others can read', async (t) => {
    const tokenFile = join(tempDir(t), 'token');
    writeFileSync(tokenFile, 'one', { mode: 0o644 });
    await assert.rejects(joinTokenSource({ tokenFile })(), /can be read by others/);
  });
});
