/** Listeners, clusters and secrets from files that are read again when they change. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { configuredProxy } from '../support/configured-proxy.ts';
import { eventually } from '../support/eventually.ts';
import { tempDir } from '../support/temp-dir.ts';
import { fileAt, fromFile } from '../support/wanted.ts';

const clusters = (...names: string[]): string =>
  JSON.stringify({
    resources: names.map((name) => ({
      '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
      name,
    })),
  });

const listener = (secretPath: string): string =>
  JSON.stringify({
    resources: [
      {
        '@type': 'type.googleapis.com/envoy.config.listener.v3.Listener',
        name: 'web',
        filter_chains: [
          {
            transport_socket: {
              name: 'tls',
              typed_config: {
                '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
                common_tls_context: {
                  tls_certificate_sds_secret_configs: [
                    { name: 'server', sds_config: { path_config_source: { path: secretPath } } },
                  ],
                },
              },
            },
          },
        ],
      },
    ],
  });

const secret = (folder: string): string =>
  JSON.stringify({
    resources: [
      {
        '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
        name: 'server',
        tls_certificate: {
          certificate_chain: { filename: join(folder, 'cert.pem') },
          private_key: { filename: join(folder, 'key.pem') },
        },
      },
    ],
  });

/** A self-signed certificate, moved into place. */
function certificate(folder: string, name: string): void {
  const key = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    `${folder}/key.new`,
  ];
  execFileSync('openssl', ['req', '-x509', ...key, '-out', `${folder}/cert.new`, '-subj', `/CN=${name}`], {
    stdio: 'ignore',
  });
  renameSync(`${folder}/key.new`, `${folder}/key.pem`);
  renameSync(`${folder}/cert.new`, `${folder}/cert.pem`);
}

describe('resources from files', () => {
  test('take effect when the file is moved into place; a broken file changes nothing', async (t) => {
    const folder = tempDir(t);
    const path = join(folder, 'cds.yaml');
    const lds = join(folder, 'lds.yaml');
    const replace = (text: string): void => {
      writeFileSync(`${path}.new`, text);
      renameSync(`${path}.new`, path);
    };
    replace(clusters('a', 'b'));
    writeFileSync(lds, '{"resources": []}');
    const proxy = configuredProxy(t, {
      listeners: fileAt(lds),
      clusters: fileAt(path),
    });
    const { dataPath, complete } = proxy;
    await eventually(() => assert.equal(complete(), true));
    assert.deepEqual(dataPath.events, ['install cluster a', 'install cluster b']);
    replace('resources: [');
    replace(clusters('b', 'c'));
    await eventually(() => assert.ok(dataPath.events.includes('install cluster c')));
    assert.ok(dataPath.events.includes('remove cluster a'));
    assert.ok(!dataPath.events.includes('remove cluster b'));
  });

  test('a certificate follows its files', async (t) => {
    const folder = tempDir(t);
    const at = (name: string): string => join(folder, name);
    writeFileSync(at('cds.json'), clusters());
    writeFileSync(at('lds.json'), listener(at('sds.json')));
    const { dataPath, secrets, complete } = configuredProxy(t, {
      listeners: fileAt(at('lds.json')),
      clusters: fileAt(at('cds.json')),
    });
    dataPath.needs.set('web', { secrets: [fromFile(at('sds.json'), 'server')] });
    await eventually(() => assert.ok(!complete()));
    certificate(folder, 'first');
    writeFileSync(at('sds.json'), secret(folder));
    await eventually(() => assert.deepEqual(dataPath.events, ['install listener web']));
    const { key } = fromFile(at('sds.json'), 'server');
    const first = secrets.get(key)?.certificateChainPem;
    certificate(folder, 'second');
    await eventually(() => assert.notEqual(secrets.get(key)?.certificateChainPem, first));
  });
});
