/** Under STRICT, a sidecar speaks to nobody without a certificate of this mesh: asked by OpenSSL's client. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { type RunningMesh, startMesh } from '../support/mesh.ts';
import { type MeshWays, meshWays, wayDocuments } from '../support/mesh-way.ts';
import { output } from '../support/output.ts';
import { requirePeer } from '../support/peer.ts';
import { tempDir } from '../support/temp-dir.ts';

const handshakeDeadlineMs = 10_000;

describe('STRICT mutual TLS', () => {
  let mesh: RunningMesh;
  let ways: MeshWays;
  before(async () => {
    mesh = await startMesh(['examples/bookstore', ...wayDocuments]);
    ways = meshWays(mesh);
  });
  after(async () => {
    ways?.close();
    await mesh?.stop();
  });

  const addressOf = async (workload: string, at: number): Promise<string> => {
    const { host, port } = await ways.to(mesh.instancesOf(workload)[0]?.meshAddress ?? '', at);
    return `${host}:${port}`;
  };

  /** What a request over `s_client` brings: everything the other side sent, and what OpenSSL said. */
  const ask = async (
    openssl: string,
    address: string,
    alpn: string,
    args: readonly string[] = [],
  ): Promise<string> => {
    const input = 'GET /reviews HTTP/1.1\r\nhost: reviews\r\nconnection: close\r\n\r\n';
    const words = ['s_client', '-connect', address, '-alpn', alpn, '-ign_eof', ...args];
    return output(openssl, words, { input, timeoutMs: handshakeDeadlineMs });
  };

  for (const [workload, port, alpn] of [
    ['reviews-v1', 9080, 'istio,http/1.1'],
    ['recommendations-v1', 7070, 'h2'],
  ] as const) {
    test(`${workload} shows its SPIFFE identity, and refuses who has no certificate`, async (t) => {
      const openssl = requirePeer(t, 'openssl');
      if (openssl === undefined) return;
      const said = await ask(openssl, await addressOf(workload, port), alpn, ['-showcerts']);
      const [pem = ''] = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/.exec(said) ?? [];
      const service = workload.replace(/-v1$/, '');
      assert.equal(
        new X509Certificate(pem).subjectAltName,
        `URI:spiffe://cluster.local/ns/default/sa/${service}`,
      );
      assert.match(said, /alert|unexpected eof|errno=104/i);
      assert.doesNotMatch(said, /HTTP\/1\.1 200/);
    });

    test(`${workload} refuses a certificate of another CA that claims to be the storefront`, async (t) => {
      const openssl = requirePeer(t, 'openssl');
      if (openssl === undefined) return;
      const files = forge(t, openssl, 'spiffe://cluster.local/ns/default/sa/storefront');
      const said = await ask(openssl, await addressOf(workload, port), alpn, [
        '-cert',
        files.certificate,
        '-key',
        files.key,
      ]);
      assert.match(said, /alert|unexpected eof|errno=104/i);
      assert.doesNotMatch(said, /HTTP\/1\.1 200/);
    });
  }

  test('plain HTTP is refused', async () => {
    const address = await addressOf('reviews-v1', 9080);
    await assert.rejects(fetch(`http://${address}/reviews`));
  });
});

/** A self-made certificate with somebody else's name in it. */
function forge(t: TestContext, openssl: string, spiffeId: string): { certificate: string; key: string } {
  const folder = tempDir(t);
  const files = { certificate: join(folder, 'forged.pem'), key: join(folder, 'forged.key') };
  execFileSync(
    openssl,
    [
      ...[
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '1',
      ],
      ...['-subj', '/O=forged', '-addext', `subjectAltName=URI:${spiffeId}`],
      ...['-keyout', files.key, '-out', files.certificate],
    ],
    { stdio: 'ignore' },
  );
  return files;
}
