/** Applications that see their clients' addresses (`interceptionMode: TPROXY`), beside one that does not. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { hubAddresses } from '#host/network/addresses.ts';
import { sourceOfInbound } from '#host/network/capture-rules.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';
import { describeInNamespaces } from '../support/namespaces.ts';
import { findPeer, requirePeer } from '../support/peer.ts';
import { ingressTo, workload } from '../support/small-mesh.ts';

/** Says who is at the other end of a connection, as its socket has it, or asks another that. */
const application = `
import http from 'node:http';
import net from 'node:net';
const plain = (address) => address.replace('::ffff:', '');
const probedBy = new Set();
const what = {
  async '/http'(ask) { return (await fetch('http://' + ask.get('host') + '/')).text(); },
  '/tcp': (ask) => new Promise((resolve) => {
    let said = '';
    net.connect({ host: ask.get('host'), port: 7000 }).setEncoding('utf8')
      .on('data', (text) => (said += text)).on('error', ({ code }) => resolve(code)).on('close', () => resolve(said));
  }),
  '/healthz': (_, socket) => { probedBy.add(plain(socket.remoteAddress)); return 'well'; },
  '/probed-by': () => [...probedBy].join(),
};
http.createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://x');
  response.end(await (what[pathname]?.(searchParams, request.socket) ?? plain(request.socket.remoteAddress)));
}).listen(9080);
// Speaks first, as a database does.
net.createServer((socket) => socket.on('error', () => {}).end(plain(socket.remoteAddress))).listen(7000);
process.on('SIGTERM', () => process.exit(0));
`;

const isThere = findPeer('envoy') !== undefined;
const kept = ['kept', ...(isThere ? ['kept-by-envoy'] : [])];
const part = (name: string): string =>
  workload({
    name,
    ports: '[{name: http, port: 80, targetPort: 9080}, {name: tcp, port: 7000}]',
    annotations: `{sidecar.istio.io/interceptionMode: ${kept.includes(name) ? 'TPROXY' : 'REDIRECT'}}`,
    container: `image: app:1
ports: [{containerPort: 9080}, {containerPort: 7000}]
readinessProbe: {httpGet: {path: /healthz, port: 9080}, periodSeconds: 1}
livenessProbe: {tcpSocket: {port: 7000}, periodSeconds: 1}`,
  });
const documents = `
apiVersion: heddle.dev/v1alpha1
kind: LocalMesh
metadata: {name: tproxy}
images:
  app:1: {command: [node, app.mjs]}
${isThere ? 'workloads: {kept-by-envoy: {sidecar: envoy}}' : ''}
---
${['front', 'redirected', ...kept].map(part).join('')}
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
---
${ingressTo('front')}`;

describeInNamespaces('clients seen by applications under TPROXY', () => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'));
  let mesh: RunningMesh;
  before(async () => {
    writeFileSync(join(folder, 'app.mjs'), application);
    writeFileSync(join(folder, 'mesh.yaml'), documents);
    mesh = await startMesh([join(folder, 'mesh.yaml')], { args: ['--capture', 'always'] });
  });
  after(async () => {
    await mesh?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const addressOf = (name: string): string => mesh.instancesOf(name)[0]!.meshAddress;
  const ask = async (path: string): Promise<string> => (await fetch(`${mesh.ingressUrl}${path}`)).text();
  /** Whom an application sees when another asks it, on whose behalf the front end asks that other. */
  const seenBy = (host: string, by: 'http' | 'tcp'): Promise<string> => ask(`/${by}?host=${host}`);
  const relayed = (by: string, host: string): Promise<string> =>
    ask(`/http?host=${encodeURIComponent(`${by}/http?host=${host}&x=`)}`);

  if (!isThere) test('with Envoy as sidecar', (t) => void requirePeer(t, 'envoy'));
  for (const name of kept) {
    test(`${name}: the client's address, by HTTP and TCP`, async () => {
      for (const by of ['http', 'tcp', 'http', 'tcp'] as const) {
        assert.equal(await seenBy(name, by), addressOf('front'), by);
      }
    });

    test(`${name}: no connection is shared by clients`, async () => {
      for (let round = 0; round < 3; round++) {
        assert.deepEqual(
          await Promise.all([seenBy(name, 'http'), relayed('redirected', name), relayed(name, name)]),
          ['front', 'redirected', name].map(addressOf),
        );
      }
    });

    test(`${name}: probes come past the sidecar`, async () => {
      assert.equal(await ask(`/http?host=${name}/probed-by?x=`), hubAddresses.ipv4);
    });
  }

  test('the application beside them sees its sidecar', async () => {
    for (const by of ['http', 'tcp'] as const) {
      assert.equal(await seenBy('redirected', by), sourceOfInbound[4]);
    }
  });
});
