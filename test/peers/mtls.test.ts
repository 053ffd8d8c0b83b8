/**
 * Mutual TLS over time and from all sides: with TLS 1.2 and 1.3, in sessions that are resumed, at every
 * port of every instance. The client is OpenSSL's; its certificate is one that an agent has obtained.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http2 from 'node:http2';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';
import { type MeshWays, meshWays, wayDocuments } from '../support/mesh-way.ts';
import { output } from '../support/output.ts';
import { findPeer, requirePeer } from '../support/peer.ts';
import { sumOf } from '../support/prometheus-text.ts';

const handshakeDeadlineMs = 10_000;
const request = 'GET /reviews HTTP/1.1\r\nhost: reviews\r\nconnection: close\r\n\r\n';
const refusal = /alert|unexpected eof|errno=104/i;

describe('mutual TLS', () => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'));
  const openssl = findPeer('openssl') ?? '';
  let mesh: RunningMesh;
  let ways: MeshWays;
  /** Words of a client that is `recommendations`, by files that its agent keeps. */
  let member: readonly string[];
  before(async () => {
    mesh = await startMesh(['examples/bookstore', ...wayDocuments]);
    ways = meshWays(mesh);
    const files = join(mesh.stateDirectory, 'instances/default.recommendations-v1-1');
    member = ['-cert', join(files, 'cert-chain.pem'), '-key', join(files, 'key.pem')];
  });
  after(async () => {
    ways?.close();
    await mesh?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** What a request brings: all that the other side sent, and what OpenSSL said. */
  const ask = async (workload: string, words: readonly string[]): Promise<string> => {
    const { host, port } = await ways.to(mesh.instancesOf(workload)[0]?.meshAddress ?? '', 9080);
    const all = ['s_client', '-connect', `${host}:${port}`, '-alpn', 'istio,http/1.1', '-ign_eof', ...words];
    return output(openssl, all, { input: request, timeoutMs: handshakeDeadlineMs });
  };

  /** Requests to reviews-v1 that its sidecar has counted as coming from the member. */
  const countedFromMember = async (): Promise<number> => {
    const [reviews] = mesh.instancesOf('reviews-v1');
    assert.ok(reviews);
    return sumOf(await mesh.metricsOf(reviews), 'istio_requests_total', {
      reporter: 'destination',
      source_principal: 'spiffe://cluster.local/ns/default/sa/recommendations',
      connection_security_policy: 'mutual_tls',
    });
  };

  for (const version of ['-tls1_3', '-tls1_2']) {
    test(`${version}: a session is resumed with its identity, and with no other sidecar`, async (t) => {
      if (requirePeer(t, 'openssl') === undefined) return;
      const session = join(folder, `member${version}`);
      const before = await countedFromMember();
      const first = await ask('reviews-v1', [version, ...member, '-sess_out', session]);
      assert.match(first, /^New, TLSv1/m);
      assert.match(first, /HTTP\/1\.1 200/);
      const again = await ask('reviews-v1', [version, '-sess_in', session]);
      assert.match(again, /^Reused, TLSv1/m);
      assert.match(again, /HTTP\/1\.1 200/);
      await eventually(async () => assert.equal((await countedFromMember()) - before, 2));
      for (const other of ['reviews-v2', 'catalog-v1']) {
        const elsewhere = await ask(other, [version, '-sess_in', session]);
        assert.doesNotMatch(elsewhere, /^Reused/m);
        assert.match(elsewhere, refusal);
        assert.doesNotMatch(elsewhere, /HTTP\/1\.1 [245]/);
      }
    });

    test(`${version}: who is refused gets no session to resume`, async (t) => {
      if (requirePeer(t, 'openssl') === undefined) return;
      const strangers = { nobody: [], stranger: strangerOf(openssl, folder, version) };
      for (const [who, words] of Object.entries(strangers)) {
        const session = join(folder, `${who}${version}`);
        const said = await ask('reviews-v1', [version, ...words, '-sess_out', session]);
        assert.match(said, refusal, who);
        assert.doesNotMatch(said, /HTTP\/1\.1 [245]/, who);
        assert.ok(!existsSync(session), `${who} has a session`);
      }
    });
  }

  test('gRPC without a proxy answers a member of the mesh, and nobody else', async () => {
    const [instance] = mesh.instancesOf('recommendations-v1');
    const files = join(mesh.stateDirectory, 'instances/default.recommendations-v1-1');
    const [cert, key, ca] = ['cert-chain.pem', 'key.pem', 'root-cert.pem'].map((name) =>
      readFileSync(join(files, name)),
    );
    const { host, port } = await ways.to(instance?.meshAddress ?? '', 7070);
    const url = `https://${host}:${port}`;
    assert.equal(await http2Status(url, { cert, key, ca }), 415, 'a GET is no gRPC');
    await assert.rejects(http2Status(url, { ca }), /certificate|ECONNRESET|closed/i);
  });

  test('nothing else is spoken at any port of an instance', async () => {
    const ports = mesh
      .state()
      .instances.filter(({ workload }) => workload !== 'relay')
      .flatMap(({ meshAddress, ports }) => ports.map((port) => ({ host: meshAddress, port })));
    assert.ok(ports.length >= 9);
    for (const at of ports) {
      const { host, port } = await ways.to(at.host, at.port);
      for (const first of [request, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'GET 1\n']) {
        const answer = await answerTo(host, port, first);
        assert.ok(!/^(HTTP|\d)/.test(answer), `${at.host}:${at.port} answers ${JSON.stringify(answer)}`);
      }
    }
  });
});

/** Words of a client whose certificate another CA has signed, in the name of the storefront. */
function strangerOf(openssl: string, folder: string, version: string): string[] {
  const file = (name: string): string => join(folder, `${name}${version}.pem`);
  const run = (...words: string[]): void => {
    execFileSync(openssl, words, { stdio: 'ignore' });
  };
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  run('req', '-x509', ...newKey, '-subj', '/O=cluster.local', '-keyout', file('ca-key'), '-out', file('ca'));
  run('req', ...newKey, '-subj', '/O=forged', '-keyout', file('key'), '-out', file('request'));
  writeFileSync(
    file('extensions'),
    'subjectAltName=critical,URI:spiffe://cluster.local/ns/default/sa/storefront\n',
  );
  const signed = ['-CA', file('ca'), '-CAkey', file('ca-key'), '-CAcreateserial', '-days', '1'];
  run(
    'x509',
    '-req',
    '-in',
    file('request'),
    ...signed,
    '-extfile',
    file('extensions'),
    '-out',
    file('cert'),
  );
  return ['-cert', file('cert'), '-key', file('key'), '-cert_chain', file('ca')];
}

/** Status of a GET, asked of whoever shows a certificate of the mesh. */
async function http2Status(url: string, tls: http2.SecureClientSessionOptions): Promise<number | undefined> {
  const session = http2.connect(url, { ...tls, checkServerIdentity: () => undefined });
  try {
    return await new Promise((resolve, reject) => {
      session.on('error', reject);
      const stream = session.request({ ':path': '/' });
      stream.on('response', (headers) => resolve(headers[':status']));
      stream.on('error', reject);
      stream.resume();
    });
  } finally {
    session.destroy();
  }
}

/** Everything that comes back until the other side ends the connection. */
function answerTo(host: string, port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    let answer = '';
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      answer += chunk;
    });
    socket.on('error', () => {});
    socket.once('close', () => resolve(answer));
    socket.setTimeout(handshakeDeadlineMs, () => socket.destroy());
    socket.write(text);
  });
}
