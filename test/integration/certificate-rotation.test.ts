/**
 * Certificates that live for seconds, between two sidecars: each is renewed with itself, connections
 * outlive the certificates they were made with, and new ones show what is in force.
 */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { adminSocketPath } from '#api/admin-socket.ts';
import { requestJoinToken } from '#api/client.ts';
import { requestCertificate } from '#app/certificate-client.ts';
import { podDocument } from '#app/up/pods.ts';
import { rootFiles } from '#control/ca/root.ts';
import { type Lease, leaseNetwork } from '#host/lease.ts';
import { createSigningRequest, generateKeyPair, privateKeyPem } from '#identity/signing-request.ts';
import { workloadId } from '#identity/spiffe-id.ts';
import { type HeddleChild, startHeddle } from '../support/child.ts';
import { eventually } from '../support/eventually.ts';
import { parseSamples, sumOf } from '../support/prometheus-text.ts';
import { tempDir } from '../support/temp-dir.ts';

/** The shortest that leaves a renewal a second. */
const lifeSeconds = 3;
const rotations = 2;
const httpPort = 9080;
const tcpPort = 7000;
/** Where the caller's sidecar listens for the TCP service. */
const localTcpPort = 21_000;

const documents = `
apiVersion: v1
kind: Service
metadata: {name: server}
spec:
  selector: {app: server}
  ports: [{name: http, port: ${httpPort}}, {name: tcp-echo, port: ${tcpPort}}]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
`;

interface Mesh {
  readonly lease: Lease;
  readonly state: string;
  readonly control: HeddleChild;
  readonly client: Sidecar;
  readonly server: Sidecar;
}

interface Sidecar {
  readonly child: HeddleChild;
  readonly address: string;
  /** Times it renewed its certificate. */
  renewals(): number;
}

async function startMesh(t: TestContext): Promise<Mesh> {
  const lease = await leaseNetwork('certificate-rotation');
  assert.ok(lease.ok);
  t.after(() => lease.release());
  const folder = tempDir(t);
  const [files, state] = [join(folder, 'files'), join(folder, 'state')];
  for (const made of [files, state, join(state, 'pods')]) mkdirSync(made, { mode: 0o700 });
  writeFileSync(join(files, 'mesh.yaml'), documents);
  writePod(state, lease, 'client', 0, {
    'heddle.dev/service-ports': JSON.stringify({
      [`server.default.svc.cluster.local:${tcpPort}`]: localTcpPort,
    }),
  });
  writePod(state, lease, 'server', 1, {});
  const control = startHeddle(t, ['control', files, '--state', state, '--address', lease.controlAddress]);
  await control.says(/control\.started/);
  const client = await startSidecar(t, state, lease, 'client', 0);
  const server = await startSidecar(t, state, lease, 'server', 1);
  return { lease, state, control, client, server };
}

function writePod(
  state: string,
  lease: Lease,
  app: string,
  index: number,
  annotations: Readonly<Record<string, string>>,
): void {
  const pod = podDocument({
    name: `${app}-0`,
    namespace: 'default',
    labels: { app, 'security.istio.io/tlsMode': 'istio' },
    annotations: { 'heddle.dev/application-address': lease.applicationAddress(index), ...annotations },
    serviceAccount: app,
    containers: [{ name: app, image: app, ports: [{ containerPort: httpPort }, { containerPort: tcpPort }] }],
    meshAddress: lease.meshAddress(index),
    ready: true,
  });
  writeFileSync(join(state, 'pods', `${app}.json`), JSON.stringify(pod));
}

async function startSidecar(
  t: TestContext,
  state: string,
  lease: Lease,
  app: string,
  index: number,
): Promise<Sidecar> {
  const subject = { namespace: 'default', serviceAccount: app, pod: `${app}-0` };
  const tokenFile = join(state, `${app}.token`);
  const { token } = await requestJoinToken(adminSocketPath(state), subject);
  writeFileSync(tokenFile, token, { mode: 0o600 });
  const address = lease.meshAddress(index);
  const child = startHeddle(t, [
    'sidecar',
    ...['--control', `${lease.controlAddress}:15012`, '--root-ca', rootFiles(state).certificatePath],
    ...['--token-file', tokenFile, '--name', subject.pod, '--service-account', app, '--address', address],
    ...['--labels', JSON.stringify({ app }), '--metadata', '{"INTERCEPTION_MODE": "NONE"}'],
    ...['--certificate-ttl-s', String(lifeSeconds)],
  ]);
  await eventually(
    async () => assert.equal((await fetch(`http://${address}:15000/ready`)).status, 200, child.output()),
    { timeoutMs: 20_000 },
  );
  return { child, address, renewals: () => child.output().split('identity.renewed').length - 1 };
}

/** Two applications of the server: one tells how it was called, the other says everything again. */
async function startApplications(t: TestContext, host: string): Promise<void> {
  const held: (() => void)[] = [];
  const web = http.createServer((request, response) => {
    held.push(() => response.end(String(request.headers['x-forwarded-client-cert'])));
    // `/pair` is answered when there are two: they cannot have come over one connection.
    if (request.url === '/' || held.length === 2) for (const answer of held.splice(0)) answer();
  });
  const echo = net.createServer((socket) => socket.on('error', () => {}).pipe(socket));
  for (const [server, port] of [
    [web, httpPort],
    [echo, tcpPort],
  ] as const) {
    server.listen(port, host);
    await once(server, 'listening');
    t.after(() => server.close());
  }
  t.after(() => web.closeAllConnections());
}

/** Asks the server through both sidecars; resolves to the fingerprint of the certificate the caller showed. */
async function ask(address: string, agent: http.Agent, path: '/' | '/pair' = '/'): Promise<string> {
  const headers = { host: `server:${httpPort}` };
  const call = { host: address, port: 15_007, path: `http://server:${httpPort}${path}`, headers, agent };
  const [response] = (await once(http.get(call), 'response')) as [http.IncomingMessage];
  const body = await text(response);
  assert.equal(response.statusCode, 200, body);
  const [, hash] = /Hash=([0-9a-f]{64})/.exec(body) ?? [];
  assert.ok(hash, body);
  return hash;
}

/** The certificate that the sidecar of the server shows to a caller of the mesh. */
async function shownCertificate({ lease, state, server }: Mesh): Promise<X509Certificate> {
  const rootPem = readFileSync(rootFiles(state).certificatePath, 'utf8');
  const account = { namespace: 'default', serviceAccount: 'somebody' };
  const { token } = await requestJoinToken(adminSocketPath(state), { ...account, pod: 'somebody-0' });
  const keys = await generateKeyPair();
  const [cert = ''] = await requestCertificate({
    address: `${lease.controlAddress}:15012`,
    rootCaPem: rootPem,
    credential: { kind: 'token', token },
    csr: createSigningRequest(keys, workloadId('cluster.local', account)),
    validitySeconds: 0,
    signal: AbortSignal.timeout(10_000),
  });
  const socket = connectTls({
    ...{ host: server.address, port: httpPort, ALPNProtocols: ['istio'] },
    ...{ ca: rootPem, cert, key: privateKeyPem(keys.privateKey), checkServerIdentity: () => undefined },
  });
  try {
    await once(socket, 'secureConnect');
    const certificate = new X509Certificate(socket.getPeerCertificate().raw);
    assert.equal(certificate.subjectAltName, 'URI:spiffe://cluster.local/ns/default/sa/server');
    const leftMs = certificate.validToDate.getTime() - Date.now();
    assert.ok(leftMs > 0 && leftMs <= lifeSeconds * 1000, `${leftMs} ms are left`);
    return certificate;
  } finally {
    socket.destroy();
  }
}

/** Connections to the server that the sidecar of the client has made, and has seen end. */
async function upstreamConnections(client: Sidecar, port: number): Promise<[made: number, ended: number]> {
  const page = await (await fetch(`http://${client.address}:15000/stats?format=prometheus`)).text();
  const samples = parseSamples(page);
  const of = { envoy_cluster_name: `outbound|${port}||server.default.svc.cluster.local` };
  return [
    sumOf(samples, 'envoy_cluster_upstream_cx_total', of),
    sumOf(samples, 'envoy_cluster_upstream_cx_destroy', of),
  ];
}

test('connections outlive their certificates, and new ones show those in force', async (t) => {
  const mesh = await startMesh(t);
  const { client, server, control, lease } = mesh;
  await startApplications(t, lease.applicationAddress(1));
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const another = new http.Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => {
    agent.destroy();
    another.destroy();
  });
  const raw = net.connect({ host: client.address, port: localTcpPort });
  t.after(() => raw.destroy());
  const echoes = async (said: string): Promise<void> => {
    raw.write(said);
    const [heard] = (await once(raw, 'data')) as [Buffer];
    assert.equal(heard.toString(), said);
  };
  const firstHash = await eventually(() => ask(client.address, agent), { timeoutMs: 20_000 });
  await echoes('first');
  const first = await shownCertificate(mesh);
  const before = { client: client.renewals(), server: server.renewals() };

  let failure: unknown;
  let asked = 0;
  const askBoth = async (): Promise<void> => {
    try {
      assert.equal(await ask(client.address, agent), firstHash);
      await echoes(`again ${++asked}`);
    } catch (error) {
      failure = error;
      throw error;
    }
  };
  await eventually(
    async () => {
      await askBoth();
      assert.ok(client.renewals() >= before.client + rotations, client.child.output());
      assert.ok(server.renewals() >= before.server + rotations, server.child.output());
      assert.ok(Date.now() > first.validToDate.getTime());
    },
    { timeoutMs: 30_000, until: () => failure !== undefined },
  );
  assert.deepEqual(await upstreamConnections(client, httpPort), [1, 0]);
  assert.deepEqual(await upstreamConnections(client, tcpPort), [1, 0]);

  assert.notEqual((await shownCertificate(mesh)).serialNumber, first.serialNumber);
  const hashes = await Promise.all([agent, another].map((each) => ask(client.address, each, '/pair')));
  assert.ok(hashes.includes(firstHash), 'the connection of before is still there');
  assert.equal(new Set(hashes).size, 2, 'a new one shows another certificate');
  assert.deepEqual(await upstreamConnections(client, httpPort), [2, 0]);

  for (const name of ['client', 'server']) {
    const id = `spiffe://cluster.local/ns/default/sa/${name}`;
    const issued = control
      .output()
      .split('\n')
      .filter((line) => line.includes('ca.issued') && line.includes(id));
    const byToken = issued.filter((line) => line.includes('by=token'));
    assert.equal(byToken.length, 1, 'the token is for the first certificate only');
    assert.ok(issued.filter((line) => line.includes('by=certificate')).length >= rotations, control.output());
  }
});
