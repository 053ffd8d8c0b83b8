import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { before, describe, test } from 'node:test';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { certificateFacts, certificatesFromPem, spiffeIdOf } from './certificate.ts';
import { createRoot, type Issuer, issueForRequest, issueWithNewKey, readIssuer } from './issue.ts';
import { verifyChain, verifyPeer } from './peer.ts';
import { pemBlocks } from './pem.ts';
import { createSigningRequest, generateKeyPair } from './signing-request.ts';
import { type SpiffeId, workloadId } from './spiffe-id.ts';
import { trustBundle, trustBundles } from './trust-bundle.ts';

const notBefore = new Date('2026-01-01T00:00:00Z');
const notAfter = new Date('2027-01-01T00:00:00Z');
const validity = { notBefore, notAfter };
const nowMs = Date.parse('2026-06-01T00:00:00Z');
const reviews = workloadId('cluster.local', { namespace: 'default', serviceAccount: 'reviews' });
const partner = workloadId('partner.example', { namespace: 'default', serviceAccount: 'reviews' });

async function issuerOf(trustDomain: string): Promise<Issuer> {
  return readIssuer(await createRoot(trustDomain, validity));
}

async function leafOf(issuer: Issuer, id: SpiffeId): Promise<X509Certificate> {
  return new X509Certificate((await issueWithNewKey(issuer, { id }, validity)).certificatePem);
}

describe('a signing request', () => {
  test('is one that another library reads, verifies and takes the id from', async () => {
    const request = new x509.Pkcs10CertificateRequest(createSigningRequest(await generateKeyPair(), reviews));
    assert.ok(await request.verify());
    const names = request.extensions.find((one) => one instanceof x509.SubjectAlternativeNameExtension);
    assert.deepEqual(names?.names.toJSON(), [{ type: 'url', value: reviews.uri }]);
  });

  test('gives a certificate for its key and for the name the issuer chose', async () => {
    const issuer = await issuerOf('cluster.local');
    const keys = await generateKeyPair();
    const pem = await issueForRequest(issuer, createSigningRequest(keys, partner), { id: reviews }, validity);
    const leaf = new X509Certificate(pem ?? '');
    assert.ok(leaf.checkPrivateKey(keys.privateKey));
    assert.deepEqual(spiffeIdOf(leaf), reviews);
  });

  test('with a weak key gives none', async () => {
    const issuer = await issuerOf('cluster.local');
    const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', publicExponent: Uint8Array.of(1, 0, 1) };
    const keys = await crypto.subtle.generateKey({ ...algorithm, modulusLength: 1024 }, true, [
      'sign',
      'verify',
    ]);
    const request = await x509.Pkcs10CertificateRequestGenerator.create({
      keys,
      signingAlgorithm: algorithm,
    });
    assert.equal(
      await issueForRequest(issuer, request.toString('pem'), { id: reviews }, validity),
      undefined,
    );
  });
});

describe('reading a certificate', () => {
  let issuer: Issuer;
  before(async () => {
    issuer = await issuerOf('cluster.local');
  });

  async function certificateNamed(...names: x509.JsonGeneralName[]): Promise<X509Certificate> {
    const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
      'sign',
      'verify',
    ]);
    const certificate = await x509.X509CertificateGenerator.create({
      publicKey: keys.publicKey,
      signingKey: issuer.key,
      signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
      issuer: issuer.certificate.subject,
      ...validity,
      extensions: [new x509.SubjectAlternativeNameExtension(names)],
    });
    return new X509Certificate(certificate.toString('pem'));
  }

  const uri = (value: string): x509.JsonGeneralName => ({ type: 'url', value });
  const cases: [names: x509.JsonGeneralName[], id: string | undefined, why: string][] = [
    [[uri(reviews.uri)], reviews.uri, 'one SPIFFE id'],
    [[{ type: 'dns', value: 'reviews' }, uri(reviews.uri)], reviews.uri, 'a DNS name beside it'],
    [[uri(reviews.uri), uri(partner.uri)], undefined, 'two SPIFFE ids name nobody'],
    [[uri(reviews.uri), uri('https://example.com')], undefined, 'nor does a second URI of another kind'],
    [[{ type: 'dns', value: 'reviews' }], undefined, 'no URI'],
    [[uri('https://example.com')], undefined, 'a URI that is no SPIFFE id'],
    [[{ type: 'dns', value: `x, URI:${reviews.uri}` }], undefined, 'a DNS name that looks like a list'],
    [[uri(`spiffe://cluster.local/a, URI:${reviews.uri}`)], undefined, 'a URI that looks like a list'],
  ];
  for (const [names, id, why] of cases) {
    test(why, async () => assert.equal(spiffeIdOf(await certificateNamed(...names))?.uri, id));
  }

  test('gives serial number and validity', async () => {
    const facts = certificateFacts(await leafOf(issuer, reviews));
    assert.match(facts.serialNumber, /^[0-9a-f]{32}$/);
    assert.equal(facts.notBeforeMs, notBefore.getTime());
    assert.equal(facts.notAfterMs, notAfter.getTime());
    assert.deepEqual(facts.uris, [reviews.uri]);
  });

  test('reads every certificate of a text, and no key', async () => {
    const { certificatePem, privateKeyPem } = await issueWithNewKey(issuer, { id: reviews }, validity);
    const text = `${certificatePem}junk\n${privateKeyPem}${issuer.certificatePem}`;
    assert.equal(certificatesFromPem(text).length, 2);
    assert.deepEqual(pemBlocks(text, 'PRIVATE KEY'), [privateKeyPem]);
  });
});

describe('verifyPeer', () => {
  let issuer: Issuer;
  let stranger: Issuer;
  before(async () => {
    [issuer, stranger] = await Promise.all([issuerOf('cluster.local'), issuerOf('partner.example')]);
  });

  test('takes a leaf of its own trust domain', async () => {
    const bundles = trustBundles(trustBundle('cluster.local', issuer.certificatePem));
    const verdict = verifyChain(await leafOf(issuer, reviews), bundles, nowMs);
    assert.deepEqual(verdict, { ok: true, id: reviews });
  });

  test("refuses an id of one trust domain signed by another's root, though both are trusted", async () => {
    const bundles = trustBundles(
      trustBundle('cluster.local', issuer.certificatePem),
      trustBundle('partner.example', stranger.certificatePem),
    );
    const forged = await leafOf(stranger, reviews);
    assert.deepEqual(verifyChain(forged, bundles, nowMs), {
      ok: false,
      reason: 'root-of-another-trust-domain',
    });
    assert.equal(verifyChain(await leafOf(stranger, partner), bundles, nowMs).ok, true);
  });

  test('refuses a trust domain it has no bundle of', async () => {
    const bundles = trustBundles(trustBundle('cluster.local', issuer.certificatePem));
    const verdict = verifyChain(await leafOf(stranger, partner), bundles, nowMs);
    assert.deepEqual(verdict, { ok: false, reason: 'unknown-trust-domain' });
  });

  test('refuses a root that stands for itself', () => {
    const bundles = trustBundles(trustBundle('cluster.local', issuer.certificatePem));
    const verdict = verifyChain(new X509Certificate(issuer.certificatePem), bundles, nowMs);
    assert.deepEqual(verdict, { ok: false, reason: 'not-one-spiffe-id' });
  });

  test('refuses a certificate that ran out since the handshake', async () => {
    const bundles = trustBundles(trustBundle('cluster.local', issuer.certificatePem));
    const leaf = await leafOf(issuer, reviews);
    assert.equal(verifyChain(leaf, bundles, nowMs).ok, true);
    const verdict = verifyChain(leaf, bundles, notAfter.getTime());
    assert.deepEqual(verdict, { ok: false, reason: 'expired' });
  });

  test('refuses what OpenSSL did not accept, and a peer without a certificate', async () => {
    const bundles = trustBundles(trustBundle('cluster.local', issuer.certificatePem));
    const leaf = await leafOf(issuer, reviews);
    const socket = { authorized: false, getPeerX509Certificate: () => leaf };
    assert.deepEqual(verifyPeer(socket, bundles), { ok: false, reason: 'not-authorized' });
    const silent = { authorized: false, getPeerX509Certificate: () => undefined };
    assert.deepEqual(verifyPeer(silent, bundles), { ok: false, reason: 'no-certificate' });
    assert.equal(verifyPeer({ ...socket, authorized: true }, bundles, nowMs).ok, true);
  });
});
