/**
 * Secrets by which callers encrypt (`tls.credentialName` of a DestinationRule), TLS that a sidecar ends, and what MeshConfig
 * says of TLS and of what stands in front of gateways; with our sidecars and with Envoys.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Holder, TestRoot } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';
import { findPeer, requirePeer } from '../support/peer.ts';
import { ingressTo, workload } from '../support/small-mesh.ts';

/** Asks what it is asked to, and says what came of it; `/client` says what it was told of its own caller. */
const asker = `
import http from 'node:http';
const { HOST, PORT } = process.env;
const agent = new http.Agent({ proxyEnv: process.env });
http.createServer((request, response) => {
  const to = new URL(request.url, 'http://x').searchParams.get('to');
  if (to === null) return void response.end(request.headers['x-envoy-external-address'] ?? 'nobody');
  http.get(to, { agent }, (answer) => {
    let text = '';
    answer.setEncoding('utf8').on('data', (more) => (text += more));
    answer.on('end', () => response.end(answer.statusCode + ' ' + text));
  }).on('error', ({ message }) => response.end('0 ' + message));
}).listen(Number(PORT), HOST);
process.on('SIGTERM', () => process.exit(0));
`;

/** Outside of the mesh: takes those who show a certificate, and says whose and by which version, once a connection. */
const bank = `
import https from 'node:https';
const { HOST, PORT, CERT, KEY, CA } = process.env;
https.createServer({ cert: CERT, key: KEY, ca: CA, requestCert: true }, ({ socket }, response) => {
  response.setHeader('connection', 'close').end(socket.getPeerCertificate().subject.CN + ' ' + socket.getProtocol());
}).listen(Number(PORT), HOST);
process.on('SIGTERM', () => process.exit(0));
`;

const image = (name: string): string => `image: example.com/${name}:1\nports: [{containerPort: 9080}]`;
const callers = ['heddle', 'envoy'] as const;

const outside = (host: string, more: string): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${host}}
spec:
  hosts: [${host}.example.com]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 9080}]
  workloadSelector: {labels: {app: bank}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ${host}}
spec: {host: ${host}.example.com, ${more}}
---`;

const secret = (client: Holder, root: TestRoot): string => `
apiVersion: v1
kind: Secret
metadata: {name: client}
stringData: ${JSON.stringify({ 'tls.crt': client.cert, 'tls.key': client.key, 'ca.crt': root.pem })}
---`;

const tls =
  'trafficPolicy: {tls: {mode: MUTUAL, credentialName: client, subjectAltNames: [bank.example.com]}}';
const missing = tls.replace('client', 'clients');

const vaults = { heddle: 'vault', envoy: 'vault-envoy' } as const;

/** Its sidecar ends TLS with files, and callers begin it. @param files where they are */
const vault = (name: string, files: string): string => `${workload({
  name,
  ports: '[{name: http, port: 80, targetPort: 9443}]',
  container: image('asker'),
})}
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: ${name}}
spec:
  workloadSelector: {labels: {app: ${name}}}
  ingress:
  - port: {number: 9443, name: https, protocol: HTTPS}
    defaultEndpoint: 127.0.0.1:9080
    tls: {mode: SIMPLE, serverCertificate: ${files}/server.crt, privateKey: ${files}/server.key}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ${name}}
spec:
  host: ${name}
  trafficPolicy: {tls: {mode: SIMPLE, caCertificates: ${files}/ca.crt, subjectAltNames: [bank.example.com]}}
---`;

const manifest = (server: Holder, root: TestRoot, files: string): string => `
apiVersion: heddle.dev/v1alpha1
kind: LocalMesh
metadata: {name: credentials}
images:
  example.com/asker:1: {command: [node, asker.mjs]}
  example.com/bank:1: {command: [node, bank.mjs]}
workloads:
  bank: {sidecar: none}
${['envoy', vaults.envoy].map((name) => `  ${name}: {sidecar: ${findPeer('envoy') === undefined ? 'heddle' : 'envoy'}}\n`).join('')}---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    tlsDefaults: {minProtocolVersion: TLSV1_3, ecdhCurves: [P-256]}
    defaultConfig: {gatewayTopology: {numTrustedProxies: 1}}
---
${workload({
  name: 'bank',
  container: `${image('bank')}\nenv: ${JSON.stringify([
    { name: 'CERT', value: server.cert },
    { name: 'KEY', value: server.key },
    { name: 'CA', value: root.pem },
  ])}`,
})}${callers.map((name) => workload({ name, container: image('asker') })).join('')}
${callers.map((name) => outside(`${name}-bank`, `workloadSelector: {matchLabels: {app: ${name}}}, ${tls}`)).join('')}
${Object.values(vaults)
  .map((name) => vault(name, files))
  .join('')}
${outside('nobodys-bank', tls)}
${outside('missing-bank', `workloadSelector: {matchLabels: {version: v1}}, ${missing}`)}
${ingressTo('heddle').replace('  http:\n', '  http:\n  - {match: [{uri: {prefix: /envoy}}], route: [{destination: {host: envoy}}]}\n')}`;

describe('credentials of callers', () => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-credentials-'));
  let mesh: RunningMesh;
  let root: TestRoot;
  before(async () => {
    root = await TestRoot.create('bank');
    writeFileSync(join(folder, 'asker.mjs'), asker);
    writeFileSync(join(folder, 'bank.mjs'), bank);
    const server = await root.issue({ dns: ['bank.example.com'] });
    const files = join(folder, 'certificates');
    mkdirSync(files);
    writeFileSync(join(files, 'server.crt'), server.cert);
    writeFileSync(join(files, 'server.key'), server.key);
    writeFileSync(join(files, 'ca.crt'), root.pem);
    writeFileSync(join(folder, 'mesh.yaml'), manifest(server, root, files));
    await show('first');
    const envoy = findPeer('envoy');
    mesh = await startMesh([folder], { env: envoy === undefined ? {} : { HEDDLE_ENVOY: envoy } });
  });
  after(async () => {
    await mesh?.stop();
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  });

  async function show(commonName: string): Promise<void> {
    writeFileSync(join(folder, 'secret.yaml'), secret(await root.issue({ commonName }), root));
  }

  async function told(path: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
    return (await fetch(`${mesh.ingressUrl}${path}`, { headers })).text();
  }

  const called = (caller: string, host: string): Promise<string> =>
    told(`/${caller}?${new URLSearchParams({ to: `http://${host}.example.com/` })}`);

  for (const caller of callers) {
    describe(`beside ${caller}`, () => {
      if (caller === 'envoy' && findPeer('envoy') === undefined) {
        test('needs Envoy', (t) => void requirePeer(t, 'envoy'));
        return;
      }
      test('the certificate is shown, by the version that MeshConfig asks for', async () => {
        await eventually(async () =>
          assert.equal(await called(caller, `${caller}-bank`), '200 first TLSv1.3'),
        );
      });

      test('who may not have it, or finds none, reaches nobody', async () => {
        for (const host of ['nobodys-bank', 'missing-bank'])
          assert.match(await called(caller, host), /^503 /, host);
      });
    });
  }

  test('TLS of its own ends beside the application, for callers by either', async () => {
    for (const caller of callers)
      for (const name of Object.values(vaults))
        await eventually(async () => assert.equal(await told(`/${caller}?to=http://${name}/`), '200 nobody'));
  });

  test('another Secret of that name is shown from then on', async () => {
    await show('second');
    for (const caller of callers)
      await eventually(async () =>
        assert.equal(await called(caller, `${caller}-bank`), '200 second TLSv1.3'),
      );
  });

  test('a gateway believes as many proxies in front of it as it is told to', async () => {
    assert.equal(await told('/client', { 'x-forwarded-for': '192.0.2.1, 203.0.113.7' }), '203.0.113.7');
  });
});
