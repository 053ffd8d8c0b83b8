/** The CA over its real port: who gets a certificate, with which name, and who does not. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { connect, type SecureContextOptions } from 'node:tls';
import { type Credential, RequestRefused, requestCertificate } from '#app/certificate-client.ts';
import { createWorkloadIdentity } from '#app/workload-identity.ts';
import { rootFiles } from '#control/ca/root.ts';
import { spiffeIdOf } from '#identity/certificate.ts';
import { CONTROL_PLANE_DNS_NAME } from '#identity/control-plane-name.ts';
import { createSigningRequest, generateKeyPair, privateKeyPem } from '#identity/signing-request.ts';
import { workloadId } from '#identity/spiffe-id.ts';
import { silentLogger } from '#observe/log.ts';
import { startAuthority, type TestAuthority } from '../support/certificate-authority.ts';
import { eventually } from '../support/eventually.ts';
import { requirePeer } from '../support/peer.ts';
import { tempDir } from '../support/temp-dir.ts';

const reviews = { namespace: 'default', serviceAccount: 'reviews', pod: 'reviews-v1-0' };
const reviewsId = workloadId('cluster.local', reviews);
const ratingsId = workloadId('cluster.local', { namespace: 'default', serviceAccount: 'ratings' });

async function ask(
  ca: Pick<TestAuthority, 'address' | 'rootPem'>,
  credential: Credential,
  { id = reviewsId, validitySeconds = 0 } = {},
): Promise<{ certificateChainPem: string; privateKeyPem: string; rootPem: string }> {
  const keys = await generateKeyPair();
  const [leaf = '', root = ''] = await requestCertificate({
    address: ca.address,
    rootCaPem: ca.rootPem,
    credential,
    csr: createSigningRequest(keys, id),
    validitySeconds,
    signal: AbortSignal.timeout(10_000),
  });
  return { certificateChainPem: leaf, privateKeyPem: privateKeyPem(keys.privateKey), rootPem: root };
}

async function tokenFor(ca: TestAuthority): Promise<Credential> {
  return { kind: 'token', token: (await ca.tokens.mint(reviews)).token };
}

function refused(pattern: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof RequestRefused, String(error));
    assert.match(error.message, pattern);
    return true;
  };
}

describe('join tokens', () => {
  test('a token gives one certificate, once', async (t) => {
    const ca = await startAuthority(t, { stateFolder: tempDir(t) });
    const token = await tokenFor(ca);
    const { certificateChainPem } = await ask(ca, token);
    assert.deepEqual(spiffeIdOf(new X509Certificate(certificateChainPem)), reviewsId);
    await assert.rejects(ask(ca, token), refused(/unknown, used up or too old/));
  });

  test('of two that come with one token at once, one gets in', async (t) => {
    const ca = await startAuthority(t, { stateFolder: tempDir(t) });
    const token = await tokenFor(ca);
    const results = await Promise.allSettled([ask(ca, token), ask(ca, token), ask(ca, token)]);
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
  });

  test('a token is good for five minutes', async (t) => {
    let nowMs = Date.now();
    const ca = await startAuthority(t, { stateFolder: tempDir(t), nowMs: () => nowMs });
    const inTime = await tokenFor(ca);
    const late = await tokenFor(ca);
    nowMs += 5 * 60_000 - 1;
    await ask(ca, inTime);
    nowMs += 1;
    await assert.rejects(ask(ca, late), refused(/unknown, used up or too old/));
  });

  test('what was never a token, and no credential at all, are refused', async (t) => {
    const ca = await startAuthority(t, { stateFolder: tempDir(t) });
    await assert.rejects(ask(ca, { kind: 'token', token: '../../root' }), refused(/unknown/));
    await assert.rejects(ask(ca, { kind: 'token', token: '' }), refused(/needed/));
  });

  test('the request cannot choose another name than the token has', async (t) => {
    const ca = await startAuthority(t, { stateFolder: tempDir(t) });
    const { certificateChainPem } = await ask(ca, await tokenFor(ca), { id: ratingsId });
    assert.deepEqual(spiffeIdOf(new X509Certificate(certificateChainPem)), reviewsId);
  });

  test('an unused token outlives a restart, and so do the root and the used one', async (t) => {
    const stateFolder = tempDir(t);
    const first = await startAuthority(t, { stateFolder });
    const used = await tokenFor(first);
    const unused = await tokenFor(first);
    await ask(first, used);
    await first.close();
    const second = await startAuthority(t, { stateFolder });
    assert.equal(second.rootPem, first.rootPem);
    await assert.rejects(ask(second, used), refused(/unknown/));
    await ask(second, unused);
  });

  test('no token is readable in the state folder', async (t) => {
    const stateFolder = tempDir(t);
    const ca = await startAuthority(t, { stateFolder });
    const { token } = await ca.tokens.mint(reviews);
    const folder = join(stateFolder, 'ca', 'tokens');
    const names = readdirSync(folder);
    assert.equal(names.length, 1);
    for (const name of names) {
      assert.ok(!`${name}${readFileSync(join(folder, name), 'utf8')}`.includes(token));
      assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600);
    }
  });
});

describe('certificates', () => {
  test('openssl verifies the chain and shows the SPIFFE id', async (t) => {
    const openssl = requirePeer(t, 'openssl');
    if (openssl === undefined) return;
    const folder = tempDir(t);
    const ca = await startAuthority(t, { stateFolder: join(folder, 'state') });
    const { certificateChainPem, rootPem } = await ask(ca, await tokenFor(ca));
    const leaf = join(folder, 'leaf.pem');
    const root = join(folder, 'root.pem');
    writeFileSync(leaf, certificateChainPem);
    writeFileSync(root, rootPem);
    for (const purpose of ['sslserver', 'sslclient']) {
      const args = ['verify', '-x509_strict', '-purpose', purpose, '-CAfile', root, leaf];
      assert.match(execFileSync(openssl, args, { encoding: 'utf8' }), /: OK/);
    }
    const text = execFileSync(openssl, ['x509', '-in', leaf, '-noout', '-text'], { encoding: 'utf8' });
    assert.match(text, /URI:spiffe:\/\/cluster\.local\/ns\/default\/sa\/reviews\n/);
    assert.match(text, /CA:FALSE/);
  });

  test('a certificate lives a day, or as long as asked within bounds, and starts before now', async (t) => {
    const ca = await startAuthority(t, { stateFolder: tempDir(t) });
    const lifeSeconds = async (validitySeconds: number): Promise<number> => {
      const { certificateChainPem } = await ask(ca, await tokenFor(ca), { validitySeconds });
      const { validFromDate, validToDate } = new X509Certificate(certificateChainPem);
      assert.ok(Date.now() - validFromDate.getTime() >= 119_000, 'back-dated for clocks that are behind');
      return (validToDate.getTime() - Date.now()) / 1000;
    };
    const day = 24 * 3600;
    const cases: [asked: number, given: number][] = [
      [0, day],
      [600, 600],
      [-5, day],
      [10_000 * day, 90 * day],
    ];
    for (const [asked, given] of cases) {
      assert.ok(Math.abs((await lifeSeconds(asked)) - given) < 10, `asked for ${asked}`);
    }
  });

  test('a certificate renews itself; another name in the request changes nothing', async (t) => {
    const ca = await startAuthority(t, { stateFolder: tempDir(t) });
    const held = await ask(ca, await tokenFor(ca));
    const renewed = await ask(ca, { kind: 'certificate', ...held }, { id: ratingsId });
    assert.deepEqual(spiffeIdOf(new X509Certificate(renewed.certificateChainPem)), reviewsId);
    assert.notEqual(renewed.certificateChainPem, held.certificateChainPem);
  });

  test('a request that is not signed by its own key is refused', async (t) => {
    const ca = await startAuthority(t, { stateFolder: tempDir(t) });
    const [one, other] = await Promise.all([generateKeyPair(), generateKeyPair()]);
    const forged = createSigningRequest(
      { publicKey: one.publicKey, privateKey: other.privateKey },
      reviewsId,
    );
    for (const csr of [forged, '', 'not a request']) {
      const call = requestCertificate({
        address: ca.address,
        rootCaPem: ca.rootPem,
        credential: await tokenFor(ca),
        csr,
        validitySeconds: 0,
        signal: AbortSignal.timeout(10_000),
      });
      await assert.rejects(call, refused(/signing request/));
    }
  });

  test('a certificate of another mesh is thrown out at the door', async (t) => {
    const ca = await startAuthority(t, { stateFolder: tempDir(t) });
    const rogue = await startAuthority(t, { stateFolder: tempDir(t) });
    const held = await ask(rogue, await tokenFor(rogue));
    await assert.rejects(ask(ca, { kind: 'certificate', ...held }), (error: Error) => {
      return !(error instanceof RequestRefused); // the connection ends before there is an answer
    });
    const socket = openTls(ca, { cert: held.certificateChainPem, key: held.privateKeyPem });
    socket.resume();
    await once(socket, 'close');
  });

  test("a workload's certificate cannot stand in for the control plane's", async (t) => {
    const ca = await startAuthority(t, { stateFolder: tempDir(t) });
    const held = await ask(ca, await tokenFor(ca));
    assert.equal(new X509Certificate(held.certificateChainPem).checkHost(CONTROL_PLANE_DNS_NAME), undefined);
    const socket = openTls(ca, {});
    await once(socket, 'secureConnect');
    assert.equal(socket.authorized, true);
    assert.deepEqual(spiffeIdOf(socket.getPeerX509Certificate()!)?.path, '/ns/istio-system/sa/istiod');
    socket.destroy();
  });
});

describe('the root', () => {
  test('is kept from others, and refused once others can read it', async (t) => {
    const stateFolder = tempDir(t);
    const ca = await startAuthority(t, { stateFolder });
    await ca.close();
    const { folder, certificatePath } = rootFiles(stateFolder);
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    assert.equal(statSync(join(folder, 'root.pem')).mode & 0o777, 0o600);
    assert.equal(readFileSync(certificatePath, 'utf8'), ca.rootPem);
    chmodSync(join(folder, 'root.pem'), 0o644);
    await assert.rejects(startAuthority(t, { stateFolder }), /can be read by others/);
  });

  test('belongs to one trust domain', async (t) => {
    const stateFolder = tempDir(t);
    await (await startAuthority(t, { stateFolder })).close();
    await assert.rejects(
      startAuthority(t, { stateFolder, trustDomain: 'other.example' }),
      /not of trust domain/,
    );
  });

  test('is one, also where two control planes start at once', async (t) => {
    const stateFolder = tempDir(t);
    const [one, other] = await Promise.all([
      startAuthority(t, { stateFolder }),
      startAuthority(t, { stateFolder }),
    ]);
    assert.equal(one.rootPem, other.rootPem);
  });
});

describe('the life of a workload certificate', () => {
  test('waits for the control plane, then renews at half its life with the certificate it has', async (t) => {
    const stateFolder = tempDir(t);
    const first = await startAuthority(t, { stateFolder });
    const { token } = await first.tokens.mint(reviews);
    const tlsPort = Number(first.address.split(':')[1]);
    await first.close();

    let asked = 0;
    const identity = createWorkloadIdentity({
      controlAddress: first.address,
      rootCaPem: first.rootPem,
      // As an inherited descriptor: there is nothing to read a second time.
      tokenSource: async () => (asked++ === 0 ? token : undefined),
      spiffeId: reviewsId.uri,
      ttlSeconds: 2,
      log: { ...silentLogger, warn: () => void tries++ },
    });
    let tries = 0;
    t.after(() => identity.stop());
    const started = identity.start();
    await eventually(() => assert.ok(tries > 0));
    await startAuthority(t, { stateFolder, tlsPort });
    await started;
    const before = identity.current();
    const [after] = await once(identity, 'rotate', { signal: AbortSignal.timeout(20_000) });
    assert.equal(after, identity.current());
    assert.notEqual(after.certificateChainPem, before.certificateChainPem);
    assert.notEqual(after.privateKeyPem, before.privateKeyPem);
    assert.equal(asked, 1, 'renewed without a token');
  });

  test('gives up where the token is refused, and where the certificate is for somebody else', async (t) => {
    const ca = await startAuthority(t, { stateFolder: tempDir(t) });
    const { token } = await ca.tokens.mint(reviews);
    const start = (tokenOf: string | undefined): Promise<void> => {
      const identity = createWorkloadIdentity({
        controlAddress: ca.address,
        rootCaPem: ca.rootPem,
        tokenSource: async () => tokenOf,
        spiffeId: ratingsId.uri,
        log: silentLogger,
      });
      t.after(() => identity.stop());
      return identity.start();
    };
    await assert.rejects(start(undefined), refused(/no join token/));
    await assert.rejects(start('hjt_nothing'), refused(/unknown/));
    await assert.rejects(start(token), refused(/knows this workload as .*reviews, not as .*ratings/));
  });

  test('stops while it waits', async (t) => {
    const ca = await startAuthority(t, { stateFolder: tempDir(t) });
    await ca.close();
    const identity = createWorkloadIdentity({
      controlAddress: ca.address,
      rootCaPem: ca.rootPem,
      tokenSource: async () => 'hjt_unused',
      spiffeId: reviewsId.uri,
      log: silentLogger,
    });
    const started = assert.rejects(identity.start(), /stopped/);
    identity.stop();
    await started;
  });
});

function openTls(ca: TestAuthority, options: SecureContextOptions): ReturnType<typeof connect> {
  const [host = '', port] = ca.address.split(':');
  const socket = connect({
    host,
    port: Number(port),
    ca: ca.rootPem,
    servername: CONTROL_PLANE_DNS_NAME,
    ALPNProtocols: ['h2'],
    ...options,
  });
  socket.on('error', () => {}); // a refused connection may end with one; the tests look at the close
  return socket;
}
