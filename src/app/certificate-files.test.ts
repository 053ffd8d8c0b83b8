import assert from 'node:assert/strict';
import { readdirSync, readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { expired, TestRoot } from '../../test/support/certificates.ts';
import { tempDir } from '../../test/support/temp-dir.ts';
import { certificateFileNames, readCertificateFiles, writeCertificateFiles } from './certificate-files.ts';
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

describe('readCertificateFiles', async () => {
  const root = await TestRoot.create('mesh');
  const spiffeId = 'spiffe://cluster.local/ns/default/sa/reviews';
  const wanted = { spiffeId, rootCaPem: root.pem, nowMs: Date.now() };
  const kept = async (
    folder: string,
    more: object = {},
  ): Promise<Parameters<typeof writeCertificateFiles>[1]> => {
    const { cert, key } = await root.issue({ uris: [spiffeId], ...more });
    const certificate = { certificateChainPem: cert, privateKeyPem: key, rootCaPem: root.pem, notAfterMs: 0 };
    writeCertificateFiles(folder, certificate);
    return certificate;
  };

  test('gives what was kept, with its end', async (t) => {
    const folder = tempDir(t);
    const certificate = await kept(folder);
    const read = readCertificateFiles(folder, wanted);
    assert.ok(read !== undefined && read.notAfterMs > Date.now());
    assert.deepEqual({ ...read, notAfterMs: 0 }, certificate);
  });

  test('gives nothing where there is none, or what is there is of no use', async (t) => {
    const folder = tempDir(t);
    assert.equal(readCertificateFiles(folder, wanted), undefined);
    writeCertificateFiles(folder, certificateNumber(1));
    assert.equal(readCertificateFiles(folder, wanted), undefined, 'no certificate');
    await kept(folder, expired);
    assert.equal(readCertificateFiles(folder, wanted), undefined, 'over');
    const certificate = await kept(folder);
    const other = { ...wanted, spiffeId: 'spiffe://cluster.local/ns/default/sa/ratings' };
    assert.equal(readCertificateFiles(folder, other), undefined, 'of another workload');
    const { pem: rootCaPem } = await TestRoot.create('another mesh');
    assert.equal(readCertificateFiles(folder, { ...wanted, rootCaPem }), undefined, 'of another mesh');
    const { key: privateKeyPem } = await root.issue({ uris: [spiffeId] });
    writeCertificateFiles(folder, { ...certificate, privateKeyPem });
    assert.equal(readCertificateFiles(folder, wanted), undefined, 'with another key');
  });
});
