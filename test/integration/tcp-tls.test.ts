/** `tcp_proxy` between TLS on both sides: every byte, both directions closed by themselves, and no memory kept. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { before, describe, test } from 'node:test';
import tls from 'node:tls';
import { type CertificateWithKey, createRoot, issueWithNewKey, readIssuer } from '#identity/issue.ts';
import { workloadId } from '#identity/spiffe-id.ts';
import { bootstrap, cluster, startDataPath } from '../support/data-path.ts';
import { eventually } from '../support/eventually.ts';
import { rawServer } from '../support/raw-tcp.ts';
import { tcpListener } from '../support/tcp-chain.ts';

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';
const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };

describe('TLS on both sides of tcp_proxy', () => {
  let root: CertificateWithKey;
  let leaf: CertificateWithKey;

  before(async () => {
    root = await createRoot('cluster.local', validity);
    const id = workloadId('cluster.local', { namespace: 'default', serviceAccount: 'app' });
    leaf = await issueWithNewKey(await readIssuer(root), { id }, validity);
  });

  const inline = (pem: string): string => `{ inline_string: ${JSON.stringify(pem)} }`;
  const material = (): string =>
    `common_tls_context: { tls_certificates: [{ certificate_chain: ${inline(leaf.certificatePem)}, private_key: ${inline(leaf.privateKeyPem)} }], validation_context: { trusted_ca: ${inline(root.certificatePem)} } }`;

  test('two proxies in a row carry a large echo, and each end of it', async (t) => {
    const server = await rawServer(t, (socket) => void socket.pipe(socket));
    const downstream = `transport_socket: { name: tls, typed_config: { '@type': ${TLS}.DownstreamTlsContext, require_client_certificate: true, ${material()} } }`;
    const upstream = `, transport_socket: { name: tls, typed_config: { '@type': ${TLS}.UpstreamTlsContext, ${material()} } }`;
    const secured = (name: string, to: string): string =>
      tcpListener({ name, proxy: `cluster: ${to}` }).replace('[{ filters:', `[{ ${downstream}, filters:`);
    const path = await startDataPath(
      t,
      bootstrap([secured('inner', 'app')], [cluster('app', [server.port])]),
    );
    await path.add(
      bootstrap([secured('outer', 'inner')], [cluster('inner', [path.port('inner')], upstream)]),
    );
    const options: tls.ConnectionOptions & { allowHalfOpen: boolean } = {
      port: path.port('outer'),
      host: '127.0.0.1',
      allowHalfOpen: true,
      cert: leaf.certificatePem,
      key: leaf.privateKeyPem,
      ca: root.certificatePem,
      checkServerIdentity: () => undefined,
    };
    const client = tls.connect(options);
    t.after(() => client.destroy());
    await once(client, 'secureConnect');
    const sent = Buffer.from(
      Uint8Array.from({ length: 8 * 1024 * 1024 }, (_, i) => (i * 31 + (i >> 8)) & 0xff),
    );
    const received = createHash('sha256');
    let count = 0;
    client.on('data', (data: Buffer) => {
      count += data.length;
      received.update(data);
    });
    client.end(sent);
    await once(client, 'end');
    assert.equal(count, sent.length);
    assert.equal(received.digest('hex'), createHash('sha256').update(sent).digest('hex'));
    await eventually(() => {
      assert.equal(path.stat('cluster.app.upstream_cx_active'), 0);
      assert.equal(path.stat('cluster.inner.upstream_cx_active'), 0);
    });
    for (const name of ['app', 'inner']) {
      assert.equal(path.stat(`cluster.${name}.upstream_cx_tx_bytes_total`), sent.length, name);
      assert.equal(path.stat(`cluster.${name}.upstream_cx_rx_bytes_total`), sent.length, name);
    }
  });
});
