/** Workloads that are not Pods: registered by a real control plane, called through real sidecars, probed, and gone. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { status } from '@grpc/grpc-js';
import { adminSocketPath } from '#api/admin-socket.ts';
import { apiClient, requestJoinToken } from '#api/client.ts';
import { requestCertificate } from '#app/certificate-client.ts';
import { rootFiles } from '#control/ca/root.ts';
import { type Lease, leaseNetwork } from '#host/lease.ts';
import { createSigningRequest, generateKeyPair, privateKeyPem } from '#identity/signing-request.ts';
import { workloadId } from '#identity/spiffe-id.ts';
import {
  type AdsClientOptions,
  nodeOf,
  openDelta,
  openSotw,
  type SotwStream,
  typeUrl,
} from '../support/ads-client.ts';
import { type HeddleChild, startChild, startHeddle } from '../support/child.ts';
import { eventually } from '../support/eventually.ts';
import { requirePeer } from '../support/peer.ts';
import { tempDir } from '../support/temp-dir.ts';

const HEALTH = 'type.googleapis.com/istio.v1.HealthInformation';

interface Mesh {
  readonly lease: Lease;
  readonly state: string;
  readonly control: string;
  write(documents: string): void;
  start(): Promise<HeddleChild>;
  entries(): Promise<string[]>;
  services(): Promise<string[]>;
}

async function startMesh(t: TestContext, documents: string, graceS = 1): Promise<Mesh> {
  const lease = await leaseNetwork('registration');
  assert.ok(lease.ok);
  t.after(() => lease.release());
  const folder = tempDir(t);
  const [files, state] = [join(folder, 'files'), join(folder, 'state')];
  mkdirSync(files);
  const write = (text: string): void => writeFileSync(join(files, 'mesh.yaml'), text);
  write(documents);
  const api = apiClient(`http://${lease.controlAddress}:15014`);
  const named = async (kind: string): Promise<string[]> =>
    (await api.config()).resources.filter((one) => one.kind === kind).map(({ name }) => name);
  const mesh: Mesh = {
    lease,
    state,
    control: `${lease.controlAddress}:15012`,
    write,
    async start(): Promise<HeddleChild> {
      const child = startHeddle(t, [
        ...['control', files, '--state', state, '--address', lease.controlAddress],
        ...['--workload-entry-grace-s', String(graceS)],
      ]);
      await child.says(/control\.started/);
      return child;
    },
    entries: () => named('WorkloadEntry'),
    services: () => named('Service'),
  };
  return mesh;
}

async function tokenFor({ state }: Mesh, serviceAccount: string): Promise<string> {
  const subject = { namespace: 'default', serviceAccount };
  return (await requestJoinToken(adminSocketPath(state), subject)).token;
}

async function startSidecar(
  t: TestContext,
  mesh: Mesh,
  { index, name, account, words }: { index: number; name: string; account: string; words: readonly string[] },
): Promise<HeddleChild> {
  const address = mesh.lease.meshAddress(index);
  const tokenFile = join(mesh.state, `${name}.token`);
  writeFileSync(tokenFile, await tokenFor(mesh, account), { mode: 0o600 });
  const child = startHeddle(t, [
    ...['sidecar', '--control', mesh.control, '--root-ca', rootFiles(mesh.state).certificatePath],
    ...['--token-file', tokenFile, '--name', name, '--service-account', account, '--address', address],
    ...['--drain-time-s', '0', ...words],
  ]);
  await eventually(
    async () => assert.equal((await fetch(`http://${address}:15000/ready`)).status, 200, child.output()),
    { timeoutMs: 60_000 },
  );
  return child;
}

/** A stream of a raw client with a certificate of the account. */
async function openStream(
  t: TestContext,
  mesh: Mesh,
  account: string,
  open: (options: AdsClientOptions) => SotwStream = openSotw,
): Promise<SotwStream> {
  const rootCaPem = readFileSync(rootFiles(mesh.state).certificatePath, 'utf8');
  const keys = await generateKeyPair();
  const id = workloadId('cluster.local', { namespace: 'default', serviceAccount: account });
  const chain = await requestCertificate({
    address: mesh.control,
    rootCaPem,
    credential: { kind: 'token', token: await tokenFor(mesh, account) },
    csr: createSigningRequest(keys, id),
    validitySeconds: 0,
    signal: AbortSignal.timeout(30_000),
  });
  const tls = {
    rootPem: rootCaPem,
    certificateChainPem: chain.join('\n'),
    privateKeyPem: privateKeyPem(keys.privateKey),
  };
  const stream = open({ address: mesh.control, tls });
  t.after(() => stream.close());
  return stream;
}

/** `GET http://HOST/` by the HTTP proxy of the sidecar at `address`. */
function callThrough(address: string, host: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const call = request(
      { host: address, port: 15_007, path: `http://${host}/`, headers: { host } },
      (answer) => {
        let body = '';
        answer.setEncoding('utf8');
        answer.on('data', (chunk: string) => (body += chunk));
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body }));
      },
    );
    call.on('error', reject);
    call.end();
  });
}

/** An application alone on 127.0.0.1; whether it is well is the test's to say. */
async function startApplication(t: TestContext): Promise<{ port: number; setWell(well: boolean): void }> {
  let well = true;
  const server = createServer((asked, response) => {
    if (asked.url === '/health') response.writeHead(well ? 200 : 503).end();
    else response.end(`served for ${asked.headers['x-forwarded-client-cert'] ?? 'nobody'}`);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, setWell: (now) => (well = now) };
}

/** A port that nobody has at this address. */
async function freePort(address: string): Promise<number> {
  const server = createTcpServer().listen(0, address);
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const strict = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default}
spec: {mtls: {mode: STRICT}}
`;
const caller = (mesh: Mesh) => ({
  index: 1,
  name: 'caller',
  account: 'caller',
  words: [
    '--metadata',
    JSON.stringify({ AUTO_REGISTER_GROUP: 'callers' }),
    '--instance-ip',
    mesh.lease.meshAddress(1),
    '--group',
    'callers',
  ],
});
const callers = `---
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: {name: callers}
spec: {template: {serviceAccount: caller}}
`;

/** Members answer `/health` at the port of their application. */
const probedGroup = (number: number): string => `---
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: {name: vms}
spec:
  metadata: {labels: {app: reviews}}
  template: {serviceAccount: reviews, ports: {http: ${number}}}
  probe: {periodSeconds: 1, failureThreshold: 1, httpGet: {path: /health, port: ${number}}}
---
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {selector: {app: reviews}, ports: [{name: http, port: 80, targetPort: ${number}}]}
`;

describe('an instance of a service that nobody wrote', () => {
  test('is called through both sidecars over mutual TLS, outlives the control plane, and goes', async (t) => {
    const mesh = await startMesh(t, strict + callers);
    const control = await mesh.start();
    const { port: number } = await startApplication(t);
    const address = mesh.lease.meshAddress(0);
    const hostPort = await freePort(address);
    const metadata = {
      HEDDLE_INBOUND: 'BIND',
      HEDDLE_REGISTRATION: { service: 'reviews', ports: [{ name: 'http', number, hostPort }] },
      INSTANCE_IPS: address,
    };
    const reviews = await startSidecar(t, mesh, {
      index: 0,
      name: 'reviews-laptop',
      account: 'reviews',
      words: ['--metadata', JSON.stringify(metadata)],
    });
    await startSidecar(t, mesh, caller(mesh));
    assert.deepEqual(await mesh.services(), ['reviews']);
    assert.deepEqual((await mesh.entries()).sort(), [
      `callers-${mesh.lease.meshAddress(1)}`,
      'reviews-laptop',
    ]);
    const called = (): Promise<{ status: number; body: string }> =>
      callThrough(mesh.lease.meshAddress(1), `reviews:${number}`);
    await eventually(async () => {
      const { status: code, body } = await called();
      assert.equal(code, 200, body);
      assert.match(body, /URI=spiffe:\/\/cluster\.local\/ns\/default\/sa\/caller/);
    });
    await assert.rejects(fetch(`http://${address}:${hostPort}/`), 'not without the TLS of the mesh');

    for (let i = 0, running = control; i < 2; i++) {
      running.kill('SIGKILL');
      await running.ended;
      running = await mesh.start();
      assert.equal((await mesh.entries()).length, 2, 'they are there before anybody comes back');
      assert.equal((await called()).status, 200);
    }
    const proxies = apiClient(`http://${mesh.lease.controlAddress}:15014`);
    await eventually(
      async () =>
        assert.ok((await proxies.proxies()).some(({ proxy }) => proxy === 'reviews-laptop.default')),
      { timeoutMs: 60_000 },
    );
    reviews.kill('SIGTERM');
    await reviews.ended;
    await eventually(async () => assert.deepEqual(await mesh.services(), []), { timeoutMs: 90_000 });
    assert.deepEqual(await mesh.entries(), [`callers-${mesh.lease.meshAddress(1)}`]);
  });
});

describe('a member of a group with a probe', () => {
  test('is an endpoint while its sidecar finds it well', async (t) => {
    const { port: number, setWell } = await startApplication(t);
    setWell(false);
    const group = probedGroup(number);
    const mesh = await startMesh(t, strict + callers + group);
    await mesh.start();
    const address = mesh.lease.meshAddress(0);
    await startSidecar(t, mesh, {
      index: 0,
      name: 'vm-1',
      account: 'reviews',
      words: ['--group', 'vms', '--instance-ip', address, '--metadata', '{"HEDDLE_INBOUND": "BIND"}'],
    });
    await startSidecar(t, mesh, caller(mesh));
    const code = async (): Promise<number> =>
      (await callThrough(mesh.lease.meshAddress(1), 'reviews')).status;
    assert.equal(await code(), 503, 'it has never been well');
    setWell(true);
    await eventually(async () => assert.equal(await code(), 200));
    setWell(false);
    await eventually(async () => assert.equal(await code(), 503));
    mesh.write(strict + callers + group.replace(/ {2}probe:.*\n/, ''));
    await eventually(async () => assert.equal(await code(), 200), { timeoutMs: 60_000 });
  });
});

describe('a real Envoy', () => {
  test('is a member of a group, probed by the agent beside it', async (t) => {
    const envoy = requirePeer(t, 'envoy');
    if (envoy === undefined) return;
    const { port: number } = await startApplication(t);
    const mesh = await startMesh(t, strict + callers + probedGroup(number));
    await mesh.start();
    const address = mesh.lease.meshAddress(0);
    const folder = join(mesh.state, 'agent');
    const tokenFile = join(mesh.state, 'envoy.token');
    writeFileSync(tokenFile, await tokenFor(mesh, 'reviews'), { mode: 0o600 });
    const agent = startHeddle(t, [
      ...['agent', '--control', mesh.control, '--root-ca', rootFiles(mesh.state).certificatePath],
      ...['--token-file', tokenFile, '--name', 'vm-1', '--service-account', 'reviews', '--address', address],
      ...['--state', folder, '--group', 'vms'],
    ]);
    await agent.says(/agent\.ready/);
    const bootstrap = join(folder, 'envoy-bootstrap.json');
    const proxy = startChild(t, envoy, ['-c', bootstrap, '--concurrency', '1', '--disable-hot-restart']);
    await startSidecar(t, mesh, caller(mesh));
    await eventually(
      async () => {
        const { status: code, body } = await callThrough(mesh.lease.meshAddress(1), 'reviews');
        assert.equal(code, 200, `${body}\n${proxy.output().slice(-2000)}`);
        assert.match(body, /URI=spiffe:\/\/cluster\.local\/ns\/default\/sa\/caller/);
      },
      { timeoutMs: 60_000 },
    );
  });
});

describe('a client as Istio has it', () => {
  const group = `${callers}---
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: {name: vms}
spec: {metadata: {labels: {app: reviews}}, template: {serviceAccount: reviews}, probe: {tcpSocket: {port: 1}}}
---
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {selector: {app: reviews}, ports: [{name: http, port: 80}]}
`;
  const metadata: JsonObject = {
    NAMESPACE: 'default',
    AUTO_REGISTER_GROUP: 'vms',
    INSTANCE_IPS: '127.0.0.1',
  };
  const node = nodeOf('vm-1.default', { userAgentName: 'envoy', metadata });

  test('says over its own stream how it is, and goes with it', async (t) => {
    const mesh = await startMesh(t, group);
    await mesh.start();
    const watcher = openDelta({ address: `${mesh.lease.controlAddress}:15010` });
    t.after(() => watcher.close());
    const cluster = 'outbound|80||reviews.default.svc.cluster.local';
    watcher.send({
      node: nodeOf('x.default'),
      typeUrl: typeUrl('endpoint'),
      resourceNamesSubscribe: [cluster],
    });
    /** How many bytes the newest endpoints have, as a measure of whether there is one. */
    const next = async (): Promise<boolean> => {
      const response = await watcher.next();
      watcher.send({ typeUrl: response.typeUrl, responseNonce: response.nonce });
      return Buffer.from(response.resources[0]!.resource!.value).includes('127.0.0.1');
    };
    assert.equal(await next(), false);
    const stream = await openStream(t, mesh, 'reviews');
    stream.send({ node, typeUrl: typeUrl('cluster') });
    await stream.next();
    assert.deepEqual(await mesh.entries(), ['vms-127.0.0.1']);
    stream.send({ typeUrl: HEALTH });
    assert.equal(await next(), true);
    stream.send({ typeUrl: HEALTH, errorDetail: { code: 500, message: 'connection refused' } });
    assert.equal(await next(), false);
    stream.send({ typeUrl: HEALTH });
    assert.equal(await next(), true);
    stream.close();
    assert.equal(await next(), false, 'after a while');
    assert.deepEqual(await mesh.entries(), []);
  });

  test('is refused where it may not, with the reason', async (t) => {
    const mesh = await startMesh(t, group);
    await mesh.start();
    const refusal = async (account: string, more: JsonObject): Promise<[number, string]> => {
      const stream = await openStream(t, mesh, account);
      stream.send({ node: { ...node, metadata: { ...metadata, ...more } }, typeUrl: typeUrl('cluster') });
      const { code, details } = await stream.failed();
      return [code, details];
    };
    const [denied, why] = await refusal('ratings', {});
    assert.equal(denied, status.PERMISSION_DENIED);
    assert.match(why, /sa\/ratings may not join the WorkloadGroup default\/vms/);
    assert.deepEqual(await refusal('reviews', { AUTO_REGISTER_GROUP: 'vmz' }), [
      status.FAILED_PRECONDITION,
      'there is no WorkloadGroup default/vmz (did you mean "vms"?)',
    ]);
    const plain = openSotw({ address: `${mesh.lease.controlAddress}:15010` });
    t.after(() => plain.close());
    plain.send({ node, typeUrl: typeUrl('cluster') });
    assert.match((await plain.failed()).details, /over the TLS port/);
    assert.deepEqual(await mesh.entries(), []);
  });

  test('has its suspicious address told', async (t) => {
    const mesh = await startMesh(t, group);
    await mesh.start();
    const stream = await openStream(t, mesh, 'reviews');
    stream.send({
      node: { ...node, metadata: { ...metadata, INSTANCE_IPS: '192.0.2.7' } },
      typeUrl: typeUrl('cluster'),
    });
    await stream.next();
    const [proxy] = await apiClient(`http://${mesh.lease.controlAddress}:15014`).proxies();
    assert.match(proxy?.registration?.warning ?? '', /registered at 192\.0\.2\.7 and comes from 127\./);
  });
});
