/** `tls` and `tcp` routes: where connections of an application end up, by what they were made to and the name they give. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { captureMode } from '../support/capture-mode.ts';
import { type Holder, TestRoot } from '../support/certificates.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';
import { findPeer, requirePeer } from '../support/peer.ts';
import { ingressTo, workload } from '../support/small-mesh.ts';
import { tempDir } from '../support/temp-dir.ts';

type Sidecar = 'heddle' | 'envoy';

const application = resolve(import.meta.dirname, '../apps/teller.ts');
const ports = '[{name: tcp, port: 9000}, {name: tls, port: 9443}]';
const tellers = ['one', 'two', 'three'];

const teller = (name: string, { cert, key }: Holder): string =>
  workload({
    name,
    ports,
    container: `image: example.com/teller:1
env: ${JSON.stringify([
      { name: 'ROLE', value: 'teller' },
      { name: 'CERT', value: cert },
      { name: 'KEY', value: key },
    ])}
ports: [{containerPort: 9000}, {containerPort: 9443}]`,
  });

const manifest = (sidecar: Sidecar, holder: Holder): string => `
apiVersion: heddle.dev/v1alpha1
kind: LocalMesh
metadata: {name: connections}
images:
  example.com/teller:1: {command: [node, ${application}]}
workloads:
  asker: {sidecar: ${sidecar}}
---
${tellers.map((name) => teller(name, holder)).join('')}${workload({
  name: 'asker',
  ports: '[{name: http, port: 8080}]',
  container: 'image: example.com/teller:1\nports: [{containerPort: 8080}]',
})}
apiVersion: v1
kind: Service
metadata: {name: split}
spec: {selector: {app: three}, ports: ${ports}}
---
apiVersion: v1
kind: Service
metadata: {name: named}
spec: {selector: {app: three}, ports: ${ports}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: split}
spec:
  hosts: [split]
  tcp:
  - match: [{sourceLabels: {app: nobody}}]
    route: [{destination: {host: three, port: {number: 9000}}}]
  - match: [{port: 9000, sourceLabels: {app: asker}}]
    route:
    - {destination: {host: one, port: {number: 9000}}, weight: 1}
    - {destination: {host: two, port: {number: 9000}}, weight: 1}
    - {destination: {host: three, port: {number: 9000}}, weight: 0}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: named}
spec:
  hosts: [named, one.example.com, "*.two.example.com"]
  tls:
  - match: [{sniHosts: [one.example.com]}]
    route: [{destination: {host: one, port: {number: 9443}}}]
  - match: [{sniHosts: ["*.two.example.com"]}]
    route: [{destination: {host: two, port: {number: 9443}}}]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
---
${ingressTo('asker')}`;

for (const sidecar of ['heddle', 'envoy'] as const) {
  describe(`routes of connections, ${sidecar}`, () => {
    const envoy = findPeer('envoy');
    if (sidecar === 'envoy' && envoy === undefined) {
      test('needs Envoy', (t) => void requirePeer(t, 'envoy'));
      return;
    }
    let mesh: RunningMesh;
    before(async () => {
      const folder = tempDir({ after });
      const holder = await (await TestRoot.create('application')).issue({ dns: ['named'] });
      writeFileSync(join(folder, 'mesh.yaml'), manifest(sidecar, holder));
      mesh = await startMesh([folder], { env: envoy === undefined ? {} : { HEDDLE_ENVOY: envoy } });
    });
    after(() => mesh?.stop());

    const ask = async (path: string): Promise<string> => (await fetch(`${mesh.ingressUrl}${path}`)).text();

    test('where no route says otherwise, to the service', async () => {
      assert.equal(await ask('/tcp?host=one'), 'one');
      assert.equal(await ask('/tcp?host=named'), 'three');
      assert.equal(await ask('/tls?host=two&sni=two'), 'two two');
      assert.equal(await ask('/tls?host=split&sni=one.example.com'), 'three one.example.com');
    });

    test('by weight, to those that have any', async () => {
      const heard = new Set<string>();
      // One of two is not drawn for fifty times once in 10^15.
      for (let i = 0; i < 50; i++) heard.add(await ask('/tcp?host=split'));
      assert.deepEqual([...heard].sort(), ['one', 'two']);
    });

    test('by the name in the ClientHello', async () => {
      assert.equal(await ask('/tls?host=named&sni=one.example.com'), 'one one.example.com');
      assert.equal(await ask('/tls?host=named&sni=a.two.example.com'), 'two a.two.example.com');
    });

    test('a name that no route has goes to none of them', {
      skip: captureMode === 'always' && 'it goes out of the mesh, where its address may be anybody’s',
    }, async () => {
      assert.doesNotMatch(await ask('/tls?host=named&sni=three.example.com'), /one|two|three/);
    });
  });
}
