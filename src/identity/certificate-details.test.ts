/** Certificates read from their bytes say what OpenSSL says of them, and more. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { before, describe, test } from 'node:test';
import { type Holder, TestRoot } from '../../test/support/certificates.ts';
import { certificateDetails, keyUsageBit } from './certificate-details.ts';
import { pathToRoot } from './chain.ts';
import { PeerCertificate, peerCertificate } from './peer-certificate.ts';
import { revocationLists, revocationReason } from './revocation-list.ts';

const everyName = {
  commonName: 'Web, the <#1>+2 Ä',
  uris: ['spiffe://cluster.local/ns/default/sa/web', 'https://example.com/a,b'],
  dns: ['web.test', '*.web.test'],
  ips: ['10.0.0.1', '2001:db8::5:0:0:1', '::1'],
  emails: ['web@example.com'],
  userNames: ['web@corp'],
};

describe('certificateDetails', () => {
  let root: TestRoot;
  let leaf: X509Certificate;
  before(async () => {
    root = await TestRoot.create('root');
    leaf = new X509Certificate((await root.issue(everyName)).cert);
  });

  test('names by kind, and all in order', () => {
    const { names, allNames, commonName } = certificateDetails(leaf.raw);
    assert.deepEqual(names.uri, everyName.uris);
    assert.deepEqual(names.dns, everyName.dns);
    assert.deepEqual(names.ip, ['10.0.0.1', '2001:db8::5:0:0:1', '::1']);
    assert.deepEqual(names.email, everyName.emails);
    assert.deepEqual(names.other, [{ oid: '1.3.6.1.4.1.311.20.2.3', value: 'web@corp' }]);
    assert.equal(allNames.length, 9);
    assert.equal(commonName, everyName.commonName);
  });

  test('subject and issuer with what must be escaped', () => {
    const { subject, issuer } = certificateDetails(leaf.raw);
    assert.equal(subject, 'CN=Web\\, the \\<#1\\>\\+2 \\C3\\84');
    assert.equal(issuer, 'O=root');
  });

  test('number, times and keys as OpenSSL has them', () => {
    const { serialNumber, notBeforeMs, notAfterMs, publicKeyDer } = certificateDetails(leaf.raw);
    assert.equal(serialNumber, leaf.serialNumber.toLowerCase());
    assert.equal(notBeforeMs, leaf.validFromDate.getTime());
    assert.equal(notAfterMs, leaf.validToDate.getTime());
    assert.deepEqual(Buffer.from(publicKeyDer), leaf.publicKey.export({ type: 'spki', format: 'der' }));
  });

  test('what it may be used for', () => {
    const details = certificateDetails(leaf.raw);
    assert.equal(details.keyUsage, 1 << keyUsageBit.digitalSignature);
    assert.equal(details.isAuthority, false);
    const ofRoot = certificateDetails(new X509Certificate(root.pem).raw);
    assert.equal(ofRoot.keyUsage, (1 << keyUsageBit.keyCertSign) | (1 << keyUsageBit.crlSign));
    assert.equal(ofRoot.isAuthority, true);
    assert.equal(ofRoot.pathLength, undefined);
  });

  test('bytes that are none, or cut short, are an error and nothing else', () => {
    for (let length = 0; length < leaf.raw.length; length += 7) {
      assert.throws(() => certificateDetails(leaf.raw.subarray(0, length)), Error);
    }
    for (let at = 0; at < leaf.raw.length; at++) {
      const spoilt = Buffer.from(leaf.raw);
      spoilt[at] = spoilt[at]! ^ 0xff;
      try {
        certificateDetails(spoilt);
      } catch (error) {
        assert.ok(error instanceof Error);
      }
    }
  });
});

describe('PeerCertificate', () => {
  test('prints and pins as OpenSSL does', async () => {
    const root = await TestRoot.create('root');
    for (const keyKind of ['P-256', 'P-384', 'rsa'] as const) {
      const x509 = new X509Certificate((await root.issue({ ...everyName, keyKind })).cert);
      const read = new PeerCertificate(x509.raw);
      assert.equal(read.sha256, x509.fingerprint256.replaceAll(':', '').toLowerCase());
      assert.equal(read.sha1, x509.fingerprint.replaceAll(':', '').toLowerCase());
      assert.equal(read.pem, x509.toString());
      assert.equal(read.keyKind, keyKind === 'rsa' ? 'rsa' : 'ec');
      assert.equal(read.keyCurve, { 'P-256': 'prime256v1', 'P-384': 'secp384r1', rsa: '' }[keyKind]);
    }
  });

  test('is one object for one certificate', async () => {
    const root = await TestRoot.create('root');
    const { raw } = new X509Certificate((await root.issue(everyName)).cert);
    assert.equal(peerCertificate(raw), peerCertificate(Buffer.from(raw)));
  });
});

describe('revocationReason', () => {
  let root: TestRoot;
  let good: Holder;
  let revoked: Holder;
  before(async () => {
    root = await TestRoot.create('root');
    [good, revoked] = await Promise.all([root.issue(), root.issue()]);
  });

  const reason = async (holder: Holder, pem: string, atMs = Date.now()): Promise<string> =>
    revocationReason(holder.serialNumber, new X509Certificate(root.pem), revocationLists(pem), atMs);

  test('who stands in the list is named, others are not', async () => {
    const list = await root.revocationList([revoked]);
    assert.equal(await reason(revoked, list), 'certificate revoked');
    assert.equal(await reason(good, list), '');
  });

  test('a list that is over says nothing good of anybody', async () => {
    const list = await root.revocationList([revoked]);
    const later = Date.now() + 2 * 3_600_000;
    assert.equal(await reason(good, list, later), 'CRL has expired');
    assert.equal(await reason(revoked, list, later), 'certificate revoked');
    assert.equal(await reason(good, list, Date.now() - 2 * 3_600_000), 'CRL is not yet valid');
  });

  test('a list of somebody else with the same name is not believed', async () => {
    const impostor = await TestRoot.create('root');
    assert.equal(await reason(good, await impostor.revocationList([])), 'CRL signature failure');
    const other = await TestRoot.create('other');
    assert.equal(await reason(good, await other.revocationList([])), 'unable to get certificate CRL');
  });

  test('what is no list is an error', () => {
    assert.throws(() => revocationLists('x'), /no revocation list/);
    assert.throws(() => revocationLists(root.pem), /no revocation list/);
  });
});

describe('pathToRoot', () => {
  test('a certificate alone is of the root that signed it, and of none with the same name', async () => {
    const root = await TestRoot.create('root');
    const impostor = new X509Certificate((await TestRoot.create('root')).pem);
    const leaf = new X509Certificate((await root.issue()).cert);
    const own = new X509Certificate(root.pem);
    assert.equal(pathToRoot(leaf, [impostor, own])?.intermediates, 0);
    assert.equal(pathToRoot(leaf, [impostor]), undefined);
    assert.equal(
      pathToRoot(leaf, [own], () => false),
      undefined,
    );
  });
});
