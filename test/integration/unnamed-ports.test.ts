/** A mesh whose Services say no protocol, as most people write them: requests are routed, and all else arrives. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import type { Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { captureMode } from '../support/capture-mode.ts';
import { type Holder, TestRoot } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';
import { findPeer, requirePeer } from '../support/peer.ts';
import { sumOf } from '../support/prometheus-text.ts';
import { ingressTo, workload } from '../support/small-mesh.ts';
import { tempDir } from '../support/temp-dir.ts';

type Sidecar = 'heddle' | 'envoy';

const numbers = [9080, 9081, 9082, 9083, 9084];
const application = resolve(import.meta.dirname, '../apps/mixed.ts');

const manifest = (sidecar: Sidecar, { cert, key }: Holder): string => `
apiVersion: heddle.dev/v1alpha1
kind: LocalMesh
metadata: {name: unnamed}
images:
  example.com/mixed:1: {command: [node, ${application}]}
workloads:
  mixed: {sidecar: ${sidecar}}
  caller: {sidecar: ${sidecar}}
protocolDetectionTimeout: 2s
---
${workload({
  name: 'mixed',
  ports: `[${numbers.map((port) => `{name: p${port}, port: ${port}}`).join()}]`,
  container: `image: example.com/mixed:1
env: ${JSON.stringify([
    { name: 'ROLE', value: 'mixed' },
    { name: 'CERT', value: cert },
    { name: 'KEY', value: key },
  ])}
ports: [${numbers.map((port) => `{containerPort: ${port}}`).join()}]`,
})}${workload({
  name: 'caller',
  ports: '[{port: 8080}]',
  container: 'image: example.com/mixed:1\nports: [{containerPort: 8080}]',
})}
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: mixed}
spec:
  hosts: [mixed]
  http:
${[9080, 9081]
  .map(
    (port) => `  - match: [{port: ${port}, uri: {exact: /old}}]
    rewrite: {uri: /new}
    route: [{destination: {host: mixed, port: {number: ${port}}}}]`,
  )
  .join('\n')}
---
${ingressTo('caller')}`;

for (const sidecar of ['heddle', 'envoy'] as const) {
  describe(`ports without protocol, ${sidecar}`, () => {
    const envoy = findPeer('envoy');
    if (sidecar === 'envoy' && envoy === undefined) {
      test('needs Envoy', (t) => void requirePeer(t, 'envoy'));
      return;
    }
    let mesh: RunningMesh;
    before(async () => {
      const folder = tempDir({ after });
      const holder = await (await TestRoot.create('application')).issue({ dns: ['mixed'] });
      writeFileSync(join(folder, 'mesh.yaml'), manifest(sidecar, holder));
      mesh = await startMesh([folder], { env: envoy === undefined ? {} : { HEDDLE_ENVOY: envoy } });
    });
    after(() => mesh?.stop());

    const rows: [port: number, answer: string, why: string][] = [
      [9080, '1.1 /new', 'HTTP/1.1 by its route'],
      [9081, '2.0 /new', 'HTTP/2 without TLS by its route, and on as such'],
      [9082, 'GET 1\n', 'TLS of the application as it is'],
      [9083, 'GET 1\n', 'what only begins as HTTP does'],
      [9084, 'welcome', 'a server that speaks first, when nobody is waited for any more'],
    ];
    for (const [port, answer, why] of rows) {
      test(why, async () => {
        const response = await fetch(`${mesh.ingressUrl}/${port}`);
        assert.equal(await response.text(), answer);
      });
    }

    /** What comes back through a tunnel of the caller's proxy: as much as that ends with. */
    async function tunneled(port: number, said: string, last: string): Promise<string> {
      const [{ meshAddress } = { meshAddress: '' }] = mesh.instancesOf('caller');
      const path = `mixed:${port}`;
      const request = http.request({ host: meshAddress, port: 15_007, method: 'CONNECT', path }).end();
      const [{ statusCode }, socket] = (await once(request, 'connect')) as [http.IncomingMessage, Socket];
      assert.equal(statusCode, 200);
      socket.write(said);
      let heard = '';
      for await (const chunk of socket.setEncoding('utf8')) {
        heard += chunk;
        if (heard.endsWith(last)) break;
      }
      return heard;
    }

    test('the same by CONNECT', {
      skip: captureMode === 'always' && 'there is no proxy to ask',
    }, async () => {
      const request = 'GET /old HTTP/1.1\r\nhost: mixed:9080\r\n\r\n';
      assert.match(await tunneled(9080, request, '/new'), /^HTTP\/1.1 200 OK\r\n[\s\S]*1\.1 \/new$/);
      assert.equal(await tunneled(9083, 'GET 1\n', '\n'), 'GET 1\n');
      assert.equal(await tunneled(9084, '', 'welcome'), 'welcome');
    });

    test('each is counted as what it was, under mutual TLS, on both sides', {
      skip: sidecar === 'envoy' && 'Envoy has no such metrics',
    }, async () => {
      for (const [workload, reporter] of [
        ['caller', 'source'],
        ['mixed', 'destination'],
      ] as const) {
        await eventually(
          async () => {
            const [instance] = mesh.instancesOf(workload);
            const metrics = await mesh.metricsOf(instance!);
            const labels = {
              reporter,
              destination_service_name: 'mixed',
              connection_security_policy: 'mutual_tls',
            };
            const isTunneled = captureMode === 'never';
            const requests = sumOf(metrics, 'istio_requests_total', labels);
            assert.equal(requests, isTunneled ? 3 : 2, `requests at ${workload}`);
            const opened = sumOf(metrics, 'istio_tcp_connections_opened_total', labels);
            assert.equal(opened, isTunneled ? 5 : 3, `connections at ${workload}`);
          },
          { timeoutMs: 30_000 },
        );
      }
    });
  });
}
