/** Who is at the other end, over real handshakes: chains, resumed sessions, roots of several trust domains. */
import assert from 'node:assert/strict';
import { webcrypto } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { before, describe, type TestContext, test } from 'node:test';
import { connect, createServer, type TLSSocket } from 'node:tls';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { createRoot, type Issuer, issueWithNewKey, readIssuer } from '#identity/issue.ts';
import { type PeerVerdict, verifyPeer } from '#identity/peer.ts';
import { type SpiffeId, workloadId } from '#identity/spiffe-id.ts';
import { type TrustBundles, trustBundle, trustBundles } from '#identity/trust-bundle.ts';

const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
const account = { namespace: 'default', serviceAccount: 'reviews' };
const ours = workloadId('cluster.local', account);
const theirs = workloadId('partner.example', account);

interface Holder {
  readonly cert: string;
  readonly key: string;
}

async function holderOf(issuer: Issuer, id: SpiffeId, ...intermediates: Issuer[]): Promise<Holder> {
  const { certificatePem, privateKeyPem } = await issueWithNewKey(issuer, { id }, validity);
  return {
    cert: certificatePem + intermediates.map((one) => one.certificatePem).join(''),
    key: privateKeyPem,
  };
}

/** A CA below `issuer`. */
async function intermediateOf(issuer: Issuer): Promise<Issuer> {
  const signing = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await webcrypto.subtle.generateKey(signing, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: 'CN=Intermediate',
    issuer: issuer.certificate.subject,
    ...validity,
    signingAlgorithm: signing,
    publicKey: keys.publicKey,
    signingKey: issuer.key,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificatePem: `${certificate.toString('pem')}\n`, certificate, key: keys.privateKey };
}

describe('verifyPeer', () => {
  let local: Issuer;
  let partner: Issuer;
  let intermediate: Issuer;
  let server: Holder;
  before(async () => {
    local = await readIssuer(await createRoot('cluster.local', validity));
    partner = await readIssuer(await createRoot('partner.example', validity));
    intermediate = await intermediateOf(local);
    server = await holderOf(local, ours);
  });

  /** What the server finds out about each client, in order of their connections. */
  async function verdicts(
    t: TestContext,
    bundles: TrustBundles,
    clients: readonly (Holder | undefined)[],
  ): Promise<{ verdict: PeerVerdict; reused: boolean }[]> {
    const found: { verdict: PeerVerdict; reused: boolean }[] = [];
    const ca = [...bundles.values()].map(({ rootsPem }) => rootsPem);
    const listener = createServer({ ...server, ca, requestCert: true, rejectUnauthorized: false });
    listener.on('secureConnection', (socket: TLSSocket) => {
      found.push({ verdict: verifyPeer(socket, bundles), reused: socket.isSessionReused() });
      socket.end('.'); // a ticket comes with the first bytes
    });
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    t.after(() => listener.close());
    const { port } = listener.address() as AddressInfo;
    let session: Buffer | undefined;
    for (const [i, client] of clients.entries()) {
      // A client that connects twice resumes.
      const resumed = i > 0 && clients[i - 1] === client && session !== undefined ? { session } : {};
      const socket = connect({
        port,
        host: '127.0.0.1',
        ca,
        ...client,
        ...resumed,
        checkServerIdentity: () => undefined,
      });
      socket.on('session', (ticket: Buffer) => {
        session = ticket;
      });
      socket.on('error', () => {});
      socket.resume();
      await once(socket, 'close');
    }
    return found;
  }

  test('knows a leaf of the root, and one behind an intermediate', async (t) => {
    const bundles = trustBundles(trustBundle('cluster.local', local.certificatePem));
    const found = await verdicts(t, bundles, [
      await holderOf(local, ours),
      await holderOf(intermediate, ours, intermediate),
    ]);
    for (const { verdict } of found) assert.deepEqual(verdict, { ok: true, id: ours });
    assert.equal(found.length, 2);
  });

  test('knows it again when the session is resumed, intermediate or not', async (t) => {
    const bundles = trustBundles(trustBundle('cluster.local', local.certificatePem));
    const direct = await holderOf(local, ours);
    const behind = await holderOf(intermediate, ours, intermediate);
    const found = await verdicts(t, bundles, [direct, direct, behind, behind]);
    assert.deepEqual(
      found.map(({ reused }) => reused),
      [false, true, false, true],
    );
    for (const { verdict } of found) assert.deepEqual(verdict, { ok: true, id: ours });
  });

  test('refuses the id of one trust domain from the root of another, resumed too', async (t) => {
    const bundles = trustBundles(
      trustBundle('cluster.local', local.certificatePem),
      trustBundle('partner.example', partner.certificatePem),
    );
    const forged = await holderOf(partner, ours);
    const found = await verdicts(t, bundles, [forged, forged, await holderOf(partner, theirs)]);
    assert.deepEqual(found[0]?.verdict, { ok: false, reason: 'root-of-another-trust-domain' });
    assert.deepEqual(found[1]?.verdict, { ok: false, reason: 'root-of-another-trust-domain' });
    assert.deepEqual(found[2]?.verdict, { ok: true, id: theirs });
  });

  test('refuses a stranger, and who shows nothing', async (t) => {
    const bundles = trustBundles(trustBundle('cluster.local', local.certificatePem));
    const found = await verdicts(t, bundles, [await holderOf(partner, ours), undefined]);
    assert.deepEqual(
      found.map(({ verdict }) => (verdict.ok ? '' : verdict.reason)),
      ['not-authorized', 'no-certificate'],
    );
  });

  test('refuses a leaf that signed another as if it were a CA', async (t) => {
    const bundles = trustBundles(trustBundle('cluster.local', local.certificatePem));
    const leaf = await issueWithNewKey(local, { id: ours }, validity);
    const impostor = await readIssuer(leaf);
    const found = await verdicts(t, bundles, [await holderOf(impostor, ours, impostor)]);
    assert.equal(found[0]?.verdict.ok, false);
  });
});
