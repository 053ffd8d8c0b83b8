/** Gateways that do not look into connections: TCP, TLS led on by its SNI, TLS that ends here, and that of the mesh. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { TestRoot } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';
import { ingressTo, workload } from '../support/small-mesh.ts';
import { tempDir } from '../support/temp-dir.ts';

const application = `
import { readFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import tls from 'node:tls';
const { HOST, HOSTNAME, FOLDER } = process.env;
http.createServer((request, response) => response.end('page of ' + HOSTNAME)).listen(9080, HOST);
// Speaks first, as a database does.
net.createServer((socket) => socket.on('error', () => {}).end('welcome to ' + HOSTNAME)).listen(7000, HOST);
const own = { cert: readFileSync(FOLDER + '/vault.crt'), key: readFileSync(FOLDER + '/vault.key') };
tls.createServer(own, (socket) => socket.on('error', () => {}).end('vault of ' + HOSTNAME)).listen(8443, HOST);
process.on('SIGTERM', () => process.exit(0));
`;

const secret = (name: string, stringData: object): string =>
  `${JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: 'istio-system' }, stringData })}\n---\n`;

const servers = `
  - {port: {number: 7000, name: tcp, protocol: TCP}, hosts: ["*"]}
  - {port: {number: 8443, name: passing, protocol: TLS}, hosts: ["*.example.com"], tls: {mode: PASSTHROUGH}}
  - {port: {number: 8443, name: ending, protocol: TLS}, hosts: [tcp.example.com], tls: {mode: SIMPLE, credentialName: tcp}}
  - {port: {number: 8444, name: mesh, protocol: HTTPS}, hosts: ["*"], tls: {mode: ISTIO_MUTUAL}}
  - {port: {number: 15443, name: automatic, protocol: TLS}, hosts: ["*.local"], tls: {mode: AUTO_PASSTHROUGH}}`;

const documents = (folder: string): string =>
  `
apiVersion: heddle.dev/v1alpha1
kind: LocalMesh
metadata: {name: connections}
images:
  app:1: {command: [node, app.mjs], env: {FOLDER: ${folder}}}
---
${workload({
  name: 'app',
  ports: '[{name: http, port: 80, targetPort: 9080}, {name: tcp, port: 7000}, {name: tls, port: 8443}]',
  container: 'image: app:1\nports: [{containerPort: 9080}, {containerPort: 7000}, {containerPort: 8443}]',
})}
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {istio: ingressgateway}
  servers:${servers}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge}
spec:
  hosts: ["*.example.com"]
  gateways: [edge]
  http:
  - route: [{destination: {host: app, port: {number: 80}}}]
  tcp:
  - match: [{port: 7000}, {port: 8443}]
    route: [{destination: {host: app, port: {number: 7000}}}]
  tls:
  - match: [{port: 8443, sniHosts: [vault.example.com]}]
    route: [{destination: {host: app, port: {number: 8443}}}]
---
${ingressTo('app', '')}`.replace('destination: {host: app}', 'destination: {host: app, port: {number: 80}}');

describe('connections through the ingress gateway', () => {
  const hooks: (() => void)[] = [];
  const folder = tempDir({ after: (hook) => hooks.push(hook) });
  let mesh: RunningMesh;
  let root: TestRoot;
  let own: { readonly cert: string; readonly key: string; readonly ca: string };
  before(async () => {
    root = await TestRoot.create('outside');
    const vault = await root.issue({ dns: ['vault.example.com'] });
    const tcp = await root.issue({ dns: ['tcp.example.com'] });
    writeFileSync(join(folder, 'app.mjs'), application);
    writeFileSync(join(folder, 'vault.crt'), vault.cert);
    writeFileSync(join(folder, 'vault.key'), vault.key);
    const manifest = join(folder, 'mesh.yaml');
    writeFileSync(manifest, secret('tcp', { 'tls.crt': tcp.cert, 'tls.key': tcp.key }) + documents(folder));
    mesh = await startMesh([manifest]);
    const [kept = ''] = globSync(join(mesh.stateDirectory, '**/*ingressgateway*/certificate/..data'));
    const read = (name: string): string => readFileSync(join(kept, name), 'utf8');
    own = { cert: read('cert-chain.pem'), key: read('key.pem'), ca: read('root-cert.pem') };
  });
  after(async () => {
    await mesh?.stop();
    for (const hook of hooks) hook();
  });

  /** Where a port of the Gateways is on this machine. */
  const portOf = (number: number): number => {
    const all = [80, 8444, 7000, 8443, 15443];
    return Number(new URL(mesh.state().ingressUrls[all.indexOf(number)]!).port);
  };
  const hear = async (port: number, options?: tls.ConnectionOptions): Promise<string> => {
    const to = { host: '127.0.0.1', port: portOf(port) };
    return text(options === undefined ? net.connect(to) : tls.connect({ ...to, ca: root.pem, ...options }));
  };
  /** Nothing is said, whatever the end looks like. */
  const assertClosed = async (heard: Promise<string>): Promise<void> =>
    assert.equal(await heard.catch(() => ''), '');
  const ofMesh = (servername: string): tls.ConnectionOptions => ({
    ...own,
    servername,
    checkServerIdentity: () => undefined,
  });

  test('TCP goes where the tcp route says, and the server speaks first', async () => {
    assert.match(await eventually(() => hear(7000)), /^welcome to app-/);
  });

  test('PASSTHROUGH: the SNI decides, and the application has the certificate', async () => {
    assert.match(await hear(8443, { servername: 'vault.example.com' }), /^vault of app-/);
    await assertClosed(hear(8443, { servername: 'other.example.com' }));
  });

  test('SIMPLE of protocol TLS: TLS ends at the gateway, and what is in it goes on', async () => {
    assert.match(await hear(8443, { servername: 'tcp.example.com' }), /^welcome to app-/);
  });

  test('ISTIO_MUTUAL: workloads of the mesh and nobody else', async () => {
    const socket = tls.connect({ host: '127.0.0.1', port: portOf(8444), ...ofMesh('www.example.com') });
    await once(socket, 'secureConnect');
    socket.write('GET / HTTP/1.1\r\nhost: www.example.com\r\nconnection: close\r\n\r\n');
    assert.match(await text(socket), /^HTTP\/1\.1 200 OK[\s\S]*page of app-/);
    await assertClosed(hear(8444, { servername: 'www.example.com', ca: own.ca }));
  });

  test('AUTO_PASSTHROUGH: the SNI of the mesh names the cluster', async () => {
    const name = 'outbound_.7000_._.app.default.svc.cluster.local';
    const said = await hear(15443, { ...ofMesh(name), ALPNProtocols: ['istio'] });
    assert.match(said, /^welcome to app-/);
    await assertClosed(hear(15443, ofMesh('outbound_.1_._.app.default.svc.cluster.local')));
  });
});
