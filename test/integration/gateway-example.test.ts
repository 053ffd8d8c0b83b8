/** The example of gateways works: https for everybody, https for who shows a certificate, and an Ingress. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import http from 'node:http';
import https from 'node:https';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Holder, TestRoot } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { startMesh } from '../support/mesh.ts';
import { tempDir } from '../support/temp-dir.ts';

test('examples/gateways beside the bookstore', async (t) => {
  const root = await TestRoot.create('outside');
  const issue = (host: string): Promise<Holder> => root.issue({ dns: [host] });
  const hosts = { shop: 'shop.example.com', admin: 'admin.example.com', catalog: 'catalog.example.org' };
  const secrets = Object.entries(hosts).map(async ([name, host]) => {
    const { cert, key } = await issue(host);
    const stringData = { 'tls.crt': cert, 'tls.key': key, 'ca.crt': root.pem };
    const metadata = { name, namespace: 'istio-system' };
    return JSON.stringify({
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'kubernetes.io/tls',
      metadata,
      stringData,
    });
  });
  const file = join(tempDir(t), 'secrets.yaml');
  writeFileSync(file, (await Promise.all(secrets)).join('\n---\n'));
  const mesh = await startMesh(['examples/bookstore', 'examples/gateways', file]);
  t.after(() => mesh.stop());
  const portOf = (scheme: string): number =>
    Number(new URL(mesh.state().ingressUrls.find((url) => url.startsWith(`${scheme}:`))!).port);
  const status = async (host: string, path: string, client?: Holder): Promise<number | undefined> => {
    const to = { host: '127.0.0.1', port: portOf('https'), servername: host, ca: root.pem, agent: false };
    const asked = https.get({ ...to, ...client, path, headers: { host } });
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    response.resume();
    return response.statusCode;
  };
  await eventually(async () => assert.equal(await status('shop.example.com', '/'), 200));
  assert.equal(await status('admin.example.com', '/', await issue('alice.example.com')), 200);
  await assert.rejects(status('admin.example.com', '/', await issue('bob.example.com')));
  await assert.rejects(status('admin.example.com', '/'));
  assert.equal(await status('catalog.example.org', '/books'), 200);
  const plain = http.get({ host: '127.0.0.1', port: portOf('http'), headers: { host: 'shop.example.com' } });
  const [redirect] = (await once(plain, 'response')) as [IncomingMessage];
  redirect.resume();
  assert.deepEqual([redirect.statusCode, redirect.headers.location], [301, 'https://shop.example.com/']);
});
