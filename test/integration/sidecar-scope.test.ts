/** What `Sidecar` and `exportTo` leave of a mesh for one application, and where it is called; beside Heddle and Envoy. */
import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { captureMode } from '../support/capture-mode.ts';
import { eventually } from '../support/eventually.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';
import { type OutsideMesh, outwardAddress, startOutsideMesh } from '../support/outside-hosts.ts';
import { findPeer, requirePeer } from '../support/peer.ts';
import { ingressTo, workload } from '../support/small-mesh.ts';
import { tempDir } from '../support/temp-dir.ts';

interface Host {
  readonly name: string;
  readonly exportTo?: string;
}

const hosts: readonly Host[] = [
  { name: 'asked' },
  { name: 'not-asked' },
  { name: 'kept', exportTo: '["."]' },
  { name: 'given', exportTo: '[default]' },
];

const hostDocuments = (address: string, port: number): string =>
  hosts
    .map(
      ({ name, exportTo = '["*"]' }) => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}, namespace: other}
spec:
  hosts: [${name}.example.com]
  exportTo: ${exportTo}
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: ${port}}]
  endpoints: [{address: ${address}}]
---`,
    )
    .join('');

const sidecarDocument = (mode: string, imports: readonly string[]): string => `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default}
spec:
  outboundTrafficPolicy: {mode: ${mode}}
  egress: [{hosts: ${JSON.stringify(['./*', ...imports.map((name) => `other/${name}.example.com`)])}}]
---`;

for (const sidecar of ['heddle', 'envoy'] as const) {
  const isMissing = sidecar === 'envoy' && findPeer('envoy') === undefined;

  describe(`what an application may call, ${sidecar} beside it`, () => {
    if (isMissing) return void test('needs Envoy', (t) => void requirePeer(t, 'envoy'));
    if (outwardAddress === undefined) {
      return void test('needs an address that Pods reach', { skip: 'no network' }, () => {});
    }
    let mesh: OutsideMesh;
    const documents = (more: string): string =>
      `${hostDocuments(mesh.places.address, mesh.places.one)}${more}`;
    before(async () => {
      mesh = await startOutsideMesh({
        sidecar,
        entries: ({ address, one }) =>
          `${hostDocuments(address, one)}${sidecarDocument('REGISTRY_ONLY', ['asked', 'given'])}`,
      });
    });
    after(() => mesh?.stop());

    /** What is not told has no name where names are answered, and else a proxy that refuses it. */
    const refused = captureMode === 'always' ? /^ENOTFOUND|^EAI_AGAIN/ : /^502 /;
    const call = (name: string): Promise<string> => mesh.ask('http', { to: `http://${name}.example.com/` });

    test('what it asks for and others give', async () => {
      assert.equal(await call('asked'), '200 one for asked.example.com');
      assert.equal(await call('given'), '200 one for given.example.com');
    });

    test('nothing that it does not ask for, or that others keep', async () => {
      assert.match(await call('not-asked'), refused);
      assert.match(await call('kept'), refused);
    });

    // Where nothing is captured, addresses of this machine are called past the proxy.
    const skip = captureMode === 'always' ? false : 'asks for captured traffic';
    test('hosts that no mesh knows, once its Sidecar allows any', { skip }, async () => {
      const { address, one } = mesh.places;
      const unknown = { to: `http://${address}:${one}/` };
      assert.match(await mesh.ask('http', unknown), /^ECONNRESET|hang up/);
      mesh.write(documents(sidecarDocument('ALLOW_ANY', ['asked'])));
      await eventually(async () => {
        assert.equal(await mesh.ask('http', unknown), `200 one for ${address}:${one}`);
      });
      assert.equal(await call('asked'), '200 one for asked.example.com');
    });

    test('everything that is exported to it, without a Sidecar', async () => {
      mesh.write(documents(''));
      await eventually(async () => {
        assert.equal(await call('not-asked'), '200 one for not-asked.example.com');
      });
      assert.match(await call('kept'), refused);
    });
  });

  describe(`where an application is called, ${sidecar} beside it`, () => {
    if (isMissing) return void test('needs Envoy', (t) => void requirePeer(t, 'envoy'));
    let mesh: RunningMesh;
    before(async () => {
      const folder = tempDir({ after });
      // Captured applications run as somebody else.
      chmodSync(folder, 0o755);
      writeFileSync(join(folder, 'app.mjs'), application);
      const manifest = join(folder, 'mesh.yaml');
      writeFileSync(manifest, calledMesh(sidecar));
      mesh = await startMesh([manifest]);
    });
    after(() => mesh?.stop());

    test('a port of the Sidecar leads to another of the application', async () => {
      await eventually(async () => {
        const response = await fetch(`${mesh.ingressUrl}/x`);
        assert.equal(`${response.status} ${await response.text()}`, '200 asked for /x');
      });
    });
  });
}

const application = `
import http from 'node:http';
http.createServer((request, response) => response.end('asked for ' + request.url))
  .listen(9080, process.env.HOST ?? '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));
`;

const calledMesh = (sidecar: string): string => `
apiVersion: heddle.dev/v1alpha1
kind: LocalMesh
metadata: {name: called}
images:
  example.com/app:1: {command: [node, app.mjs]}
workloads:
  app: {sidecar: ${sidecar}}
---
${workload({
  name: 'app',
  ports: '[{name: http, port: 80, targetPort: 9090}]',
  container: 'image: example.com/app:1\nports: [{containerPort: 9080}]',
})}
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: app}
spec:
  workloadSelector: {labels: {app: app}}
  ingress:
  - port: {number: 9090, name: http, protocol: HTTP}
    defaultEndpoint: 127.0.0.1:9080
---
${ingressTo('app')}`;
