/** Faults and CORS of VirtualServices, at the sidecar of who calls, which is ours or an Envoy, and at the ingress gateway. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { describeInNamespaces } from '../support/namespaces.ts';
import { findPeer, requirePeer } from '../support/peer.ts';
import { startTalkingMesh, type TalkingMesh } from '../support/talking-mesh.ts';

const DELAY_MS = 150;
const documents = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: back}
spec:
  hosts: [back]
  http:
    - match: [{uri: {prefix: /aborted}}]
      fault: {abort: {httpStatus: 418, percentage: {value: 100}}}
      retries: {attempts: 3, retryOn: "418"}
      route: [{destination: {host: back, port: {number: 80}}}]
    - match: [{uri: {prefix: /slow}}]
      fault: {delay: {fixedDelay: ${DELAY_MS}ms, percentage: {value: 100}}}
      route: [{destination: {host: back, port: {number: 80}}}]
    - match: [{uri: {prefix: /both}}]
      fault:
        delay: {fixedDelay: ${DELAY_MS}ms, percent: 100}
        abort: {grpcStatus: UNAVAILABLE, percentage: {value: 100}}
      route: [{destination: {host: back, port: {number: 80}}}]
    - match: [{uri: {prefix: /never}}]
      fault: {abort: {httpStatus: 500, percentage: {value: 0}}}
      route: [{destination: {host: back, port: {number: 80}}}]
    - route: [{destination: {host: back, port: {number: 80}}}]
---
apiVersion: v1
kind: Service
metadata: {name: tried}
spec: {selector: {app: back}, ports: [{name: http, port: 80, targetPort: 9080}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: tried, annotations: {heddle.dev/fault-scope: attempt}}
spec:
  hosts: [tried]
  http:
    - match: [{uri: {prefix: /slow}}]
      fault: {delay: {fixedDelay: 2s, percentage: {value: 100}}}
      timeout: 1s
      route: [{destination: {host: tried, port: {number: 80}}}]
    - fault: {abort: {httpStatus: 503, percentage: {value: 50}}}
      retries: {attempts: 40, retryOn: 5xx, backoff: 1ms}
      route: [{destination: {host: tried, port: {number: 80}}}]
---`;
const ofIngress = `corsPolicy:
      allowOrigins: [{exact: "https://shop.example"}]
      allowMethods: [GET, PUT]
      maxAge: 10m
      unmatchedPreflights: IGNORE`;

for (const sidecar of ['heddle', 'envoy'] as const) {
  describeInNamespaces(`faults of a mesh whose caller has ${sidecar} beside it`, () => {
    let mesh: TalkingMesh;
    const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'));
    if (sidecar === 'envoy' && findPeer('envoy') === undefined) {
      test('needs Envoy', (t) => void requirePeer(t, 'envoy'));
      return;
    }
    before(async () => {
      mesh = await startTalkingMesh(folder, sidecar, {}, { documents, ofIngress });
    });
    after(async () => {
      await mesh?.stop();
      rmSync(folder, { recursive: true, force: true });
    });
    const ask = (path: string): Promise<string> => mesh.ask('front', 'http', { to: `http://back${path}` });

    test('requests are aborted, whatever retries there are, and others go on', async () => {
      assert.equal(await ask('/aborted'), '418 fault filter abort');
      assert.match(await ask('/never'), /^200 back-/);
      assert.match(await ask('/other'), /^200 back-/);
    });

    test('requests are delayed and answered', async () => {
      const startMs = performance.now();
      assert.match(await ask('/slow'), /^200 back-/);
      assert.ok(performance.now() - startMs >= DELAY_MS);
    });

    test('requests are delayed and aborted, by a status of gRPC', async () => {
      const startMs = performance.now();
      // As Envoy has it, also where the client does not speak gRPC.
      assert.equal(await ask('/both'), '200 fault filter abort');
      assert.ok(performance.now() - startMs >= DELAY_MS);
    });

    test('tries are delayed and aborted where the documents say so and the sidecar can', async () => {
      const tried = async (path: string): Promise<string> =>
        await mesh.ask('front', 'http', { to: `http://tried${path}` });
      assert.match(await tried('/slow'), sidecar === 'heddle' ? /^504 / : /^200 back-/);
      if (sidecar === 'envoy') return;
      for (let i = 0; i < 8; i++) assert.match(await tried('/often'), /^200 back-/);
    });

    test('the gateway tells browsers whose pages may ask', async () => {
      const preflight = async (origin: string): Promise<Response> =>
        await fetch(mesh.ingressUrl, {
          method: 'OPTIONS',
          headers: { origin, 'access-control-request-method': 'PUT' },
        });
      const allowed = await preflight('https://shop.example');
      assert.equal(allowed.status, 200);
      assert.equal(allowed.headers.get('access-control-allow-origin'), 'https://shop.example');
      assert.equal(allowed.headers.get('access-control-allow-methods'), 'GET,PUT');
      assert.equal(allowed.headers.get('access-control-max-age'), '600');
      const other = await preflight('https://other.example');
      assert.equal(other.headers.get('access-control-allow-origin'), null);
      assert.equal(await other.text(), '');
      const plain = await fetch(mesh.ingressUrl, { headers: { origin: 'https://shop.example' } });
      assert.match(await plain.text(), /^front-1 asked by/);
      assert.equal(plain.headers.get('access-control-allow-origin'), 'https://shop.example');
    });
  });
}
