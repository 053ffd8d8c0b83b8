/** TLS on both sides of the data path: who is let in, who is believed, and certificates that change. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { before, describe, type TestContext, test } from 'node:test';
import tls from 'node:tls';
import { type CertificateWithKey, createRoot, issueWithNewKey, readIssuer } from '#identity/issue.ts';
import { workloadId } from '#identity/spiffe-id.ts';
import { createSecretStore } from '#proxy/apply/secret-store.ts';
import type { SecretStore } from '#proxy/contract.ts';
import {
  bootstrap,
  cluster,
  httpListener,
  type RunningDataPath,
  startDataPath,
} from '../support/data-path.ts';
import { clientOf, httpServer, ok, rawClient } from '../support/raw-tcp.ts';

const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
const get = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';
const ads = 'sds_config: { ads: {} }';
const toApp = '[{ match: { prefix: / }, route: { cluster: app } }]';

const common = (matchers = ''): string =>
  `common_tls_context: { tls_certificate_sds_secret_configs: [{ name: default, ${ads} }], ` +
  `combined_validation_context: { default_validation_context: { ${matchers} }, validation_context_sds_secret_config: { name: ROOTCA, ${ads} } } }`;
const serverTls = `{ name: tls, typed_config: { '@type': ${TLS}.DownstreamTlsContext, require_client_certificate: true, ${common()} } }`;
const clientTls = (uri: string): string =>
  `, transport_socket: { name: tls, typed_config: { '@type': ${TLS}.UpstreamTlsContext, sni: server, ` +
  `${common(`match_typed_subject_alt_names: [{ san_type: URI, matcher: { exact: '${uri}' } }]`)} } }`;

interface Authority {
  readonly root: CertificateWithKey;
  leaf(serviceAccount: string): Promise<CertificateWithKey>;
}

async function authority(): Promise<Authority> {
  const root = await createRoot('cluster.local', validity);
  const issuer = await readIssuer(root);
  return {
    root,
    leaf: (serviceAccount) =>
      issueWithNewKey(
        issuer,
        { id: workloadId('cluster.local', { namespace: 'default', serviceAccount }) },
        validity,
      ),
  };
}

function storeOf(leaf: CertificateWithKey, root: CertificateWithKey): SecretStore {
  const secrets = createSecretStore();
  secrets.set('default', { certificateChainPem: leaf.certificatePem, privateKeyPem: leaf.privateKeyPem });
  secrets.set('ROOTCA', { trustedCaPem: root.certificatePem });
  return secrets;
}

describe('mutual TLS', () => {
  let mesh: Authority;
  let rogue: Authority;
  before(async () => {
    [mesh, rogue] = await Promise.all([authority(), authority()]);
  });

  const server = async (t: TestContext): Promise<RunningDataPath> => {
    const app = await httpServer(t, () => ok('secret'));
    const listener = httpListener({
      routes: toApp,
      transportSocket: serverTls,
      hcm: ['forward_client_cert_details: SANITIZE_SET', 'set_current_client_cert_details: { uri: true }'],
    });
    const secrets = storeOf(await mesh.leaf('server'), mesh.root);
    return startDataPath(t, bootstrap([listener], [cluster('app', [app.port])]), secrets);
  };

  const connectWith = (
    t: TestContext,
    port: number,
    leaf: CertificateWithKey | undefined,
    more: tls.ConnectionOptions = {},
  ): tls.TLSSocket => {
    const socket = tls.connect({
      port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      ...(leaf === undefined ? {} : { cert: leaf.certificatePem, key: leaf.privateKeyPem }),
      ...more,
    });
    t.after(() => socket.destroy());
    return socket;
  };

  test('a member of the mesh is answered', async (t) => {
    const path = await server(t);
    const client = clientOf(t, connectWith(t, path.port('web'), await mesh.leaf('client')));
    client.socket.write(get);
    await client.until((text) => text.endsWith('secret'));
    assert.equal(path.stat('listener.127.0.0.1_0.ssl.handshake'), 1);
  });

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`${version}: neither a stranger nor somebody without a certificate is`, async (t) => {
      const path = await server(t);
      const stranger = await rogue.leaf('client');
      for (const leaf of [stranger, undefined]) {
        const client = clientOf(
          t,
          connectWith(t, path.port('web'), leaf, { minVersion: version, maxVersion: version }),
        );
        client.socket.write(get);
        assert.equal(await client.ended(), '');
      }
      assert.equal(path.stat('cluster.app.upstream_rq_total'), 0);
    });
  }

  test('a session is resumed with its identity, and not after the roots have changed', async (t) => {
    const path = await server(t);
    const leaf = await mesh.leaf('client');
    const first = connectWith(t, path.port('web'), leaf, { maxVersion: 'TLSv1.2' });
    await once(first, 'secureConnect');
    const session = first.getSession()!;
    const second = connectWith(t, path.port('web'), leaf, { maxVersion: 'TLSv1.2', session });
    const client = clientOf(t, second);
    client.socket.write(get);
    await client.until((text) => text.endsWith('secret'));
    assert.equal(second.isSessionReused(), true);
    path.secrets.set('ROOTCA', { trustedCaPem: rogue.root.certificatePem });
    const third = clientOf(t, connectWith(t, path.port('web'), leaf, { maxVersion: 'TLSv1.2', session }));
    third.socket.write(get);
    assert.equal(await third.ended(), '');
  });

  test('a new certificate is shown to new connections, and old ones go on', async (t) => {
    const path = await server(t);
    const leaf = await mesh.leaf('client');
    const old = clientOf(t, connectWith(t, path.port('web'), leaf));
    old.socket.write(get);
    await old.until((text) => text.endsWith('secret'));
    const renewed = await mesh.leaf('renewed');
    path.secrets.set('default', {
      certificateChainPem: renewed.certificatePem,
      privateKeyPem: renewed.privateKeyPem,
    });
    const fresh = connectWith(t, path.port('web'), leaf);
    await once(fresh, 'secureConnect');
    assert.match(fresh.getPeerX509Certificate()?.subjectAltName ?? '', /sa\/renewed/);
    old.socket.write(get);
    await old.until((text) => text.split('secret').length === 3);
  });

  test('an upstream is believed only with the name expected and a known root', async (t) => {
    const far = await server(t);
    const port = far.port('web');
    const near = await startDataPath(
      t,
      bootstrap(
        [httpListener({ routes: '[{ match: { prefix: / }, route: { cluster_header: to } }]' })],
        [
          cluster('right', [port], clientTls('spiffe://cluster.local/ns/default/sa/server')),
          cluster('wrong', [port], clientTls('spiffe://cluster.local/ns/default/sa/other')),
        ],
      ),
      storeOf(await mesh.leaf('client'), mesh.root),
    );
    const ask = async (to: string): Promise<string> => {
      const client = rawClient(t, near.port('web'));
      client.socket.write(`GET / HTTP/1.1\r\nhost: a\r\nto: ${to}\r\nconnection: close\r\n\r\n`);
      return client.ended();
    };
    assert.match(await ask('right'), /^HTTP\/1.1 200 [\s\S]*secret$/);
    assert.match(await ask('wrong'), /^HTTP\/1.1 503 [\s\S]*remote connection failure/);
    near.secrets.set('ROOTCA', { trustedCaPem: rogue.root.certificatePem });
    await near.add(
      bootstrap([], [cluster('right', [port], clientTls('spiffe://cluster.local/ns/default/sa/server'))]),
    );
    assert.match(await ask('right'), /^HTTP\/1.1 503 /);
  });

  const tlsInspector = `
    listener_filters:
    - { name: tls, typed_config: { '@type': type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector } }`;

  test('one port takes both where both are allowed', async (t) => {
    const app = await httpServer(t, () => ok('secret'));
    const plain = httpListener({ routes: toApp });
    const secure = httpListener({ routes: toApp, transportSocket: serverTls });
    const chain = secure
      .slice(secure.indexOf('    - filters:'))
      .replace('    - filters:', '    - filter_chain_match: { transport_protocol: tls }\n      filters:');
    const path = await startDataPath(
      t,
      bootstrap([`${plain}${chain}${tlsInspector}`], [cluster('app', [app.port])]),
      storeOf(await mesh.leaf('server'), mesh.root),
    );
    const open = rawClient(t, path.port('web'));
    // One byte at a time: the protocol is known only later.
    for (const byte of get) open.socket.write(byte);
    await open.until((text) => text.endsWith('secret'));
    const closed = clientOf(t, connectWith(t, path.port('web'), await mesh.leaf('client')));
    closed.socket.write(get);
    await closed.until((text) => text.endsWith('secret'));
    const stranger = clientOf(t, connectWith(t, path.port('web'), await rogue.leaf('client')));
    stranger.socket.write(get);
    assert.equal(await stranger.ended(), '');
  });
});
