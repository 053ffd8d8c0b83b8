/** `heddle sidecar --dns-address`: names come from a control plane, change with it, and outlive it. */
import assert from 'node:assert/strict';
import { Resolver } from 'node:dns/promises';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { adminSocketPath } from '#api/admin-socket.ts';
import { requestJoinToken } from '#api/client.ts';
import { podDocument } from '#app/up/pods.ts';
import { rootFiles } from '#control/ca/root.ts';
import { canTakeDatagrams } from '#host/datagrams.ts';
import { type Lease, leaseNetwork } from '#host/lease.ts';
import { type HeddleChild, startHeddle } from '../support/child.ts';
import { addressReply, startFakeResolver } from '../support/dns.ts';
import { eventually } from '../support/eventually.ts';
import { parseSamples, type Sample, sumOf } from '../support/prometheus-text.ts';
import { tempDir } from '../support/temp-dir.ts';

const DNS_PORT = 15_053;
const CONTROL_METRICS_PORT = 15_014;
const db = 'db.default.svc.cluster.local';

const documents = `
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec:
  clusterIP: 10.96.1.1
  selector: {app: reviews}
  ports: [{name: http, port: 9080}]
---
apiVersion: v1
kind: Service
metadata: {name: db}
spec:
  clusterIP: None
  selector: {app: db}
  ports: [{name: tcp, port: 5432}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: db}]}
`;

interface Mesh {
  readonly lease: Lease;
  readonly state: string;
  /** Starts the control plane, again after it was killed. */
  control(): Promise<HeddleChild>;
}

async function startMesh(t: TestContext): Promise<Mesh> {
  const lease = await leaseNetwork('sidecar-dns');
  assert.ok(lease.ok);
  t.after(() => lease.release());
  const folder = tempDir(t);
  const [files, state] = [join(folder, 'files'), join(folder, 'state')];
  for (const made of [files, state, join(state, 'pods')]) mkdirSync(made, { mode: 0o700 });
  writeFileSync(join(files, 'mesh.yaml'), documents);
  return {
    lease,
    state,
    async control(): Promise<HeddleChild> {
      const words = ['control', files, '--state', state, '--address', lease.controlAddress];
      const child = startHeddle(t, words);
      await child.says(/control\.started/);
      return child;
    },
  };
}

function writePod({ state }: Mesh, name: string, meshAddress: string): void {
  const app = name.replace(/-\d+$/, '');
  const pod = podDocument({
    name,
    namespace: 'default',
    labels: { app },
    annotations: {},
    serviceAccount: app,
    containers: [{ name: app, image: app, ports: [{ containerPort: 5432 }] }],
    meshAddress,
    ready: true,
  });
  writeFileSync(join(state, 'pods', `${name}.json`), JSON.stringify(pod));
}

async function sidecarWords({ lease, state }: Mesh, index: number): Promise<string[]> {
  const subject = { namespace: 'default', serviceAccount: 'caller', pod: `caller-${index}` };
  const tokenFile = join(state, `caller-${index}.token`);
  const { token } = await requestJoinToken(adminSocketPath(state), subject);
  writeFileSync(tokenFile, token, { mode: 0o600 });
  return [
    'sidecar',
    ...['--control', `${lease.controlAddress}:15012`, '--root-ca', rootFiles(state).certificatePath],
    ...['--token-file', tokenFile, '--name', subject.pod, '--service-account', 'caller'],
    ...['--address', lease.meshAddress(index), '--metadata', '{"INTERCEPTION_MODE": "NONE"}'],
  ];
}

async function startSidecar(
  t: TestContext,
  mesh: Mesh,
  index: number,
  more: readonly string[],
): Promise<HeddleChild> {
  const address = mesh.lease.meshAddress(index);
  writePod(mesh, `caller-${index}`, address);
  const child = startHeddle(t, [...(await sidecarWords(mesh, index)), ...more]);
  await eventually(
    async () => assert.equal((await fetch(`http://${address}:15000/ready`)).status, 200, child.output()),
    { timeoutMs: 20_000 },
  );
  return child;
}

function threadsOf({ pid }: HeddleChild): string[] {
  const folder = `/proc/${pid}/task`;
  return readdirSync(folder).map((id) => readFileSync(join(folder, id, 'comm'), 'utf8').trim());
}

async function metricsOf(host: string, port: number): Promise<Sample[]> {
  return parseSamples(await (await fetch(`http://${host}:${port}/metrics`)).text());
}

test('a sidecar answers the names of its control plane, whether that is there or not', async (t) => {
  const mesh = await startMesh(t);
  const { lease } = mesh;
  writePod(mesh, 'db-0', '10.1.0.5');
  const control = await mesh.control();
  const upstream = await startFakeResolver(t, (question) => [addressReply(question)]);
  const address = lease.meshAddress(0);
  const sidecar = await startSidecar(t, mesh, 0, [
    ...['--dns-address', `${address}:${DNS_PORT}`],
    ...['--dns-upstream', `127.0.0.1:${upstream.port}`],
  ]);
  await startSidecar(t, mesh, 1, []);
  const resolver = new Resolver({ timeout: 5000, tries: 2 });
  resolver.setServers([`${address}:${DNS_PORT}`]);

  assert.deepEqual(await resolver.resolve4('reviews'), ['10.96.1.1'], 'who is ready knows the names');
  assert.deepEqual(await resolver.resolve4(`db-0.${db}`), ['10.1.0.5']);
  assert.deepEqual(await resolver.resolve4('www.example.org'), ['192.0.2.1']);
  const pushed = await metricsOf(lease.controlAddress, CONTROL_METRICS_PORT);
  assert.equal(sumOf(pushed, 'pilot_xds_pushes', { type: 'nds' }), 1, 'one of two asked');

  if (canTakeDatagrams()) {
    await eventually(async () => {
      const asked = Array.from({ length: 300 }, () => resolver.resolve4('reviews'));
      for (const found of await Promise.all(asked)) assert.deepEqual(found, ['10.96.1.1']);
      assert.ok(threadsOf(sidecar).includes('dns'), 'many questions have a thread');
    });
  }

  writePod(mesh, 'db-1', '10.1.0.6');
  await eventually(async () => assert.deepEqual(await resolver.resolve4(`db-1.${db}`), ['10.1.0.6']));

  control.kill('SIGKILL');
  await control.ended;
  assert.deepEqual((await resolver.resolve4('db')).sort(), ['10.1.0.5', '10.1.0.6']);

  writePod(mesh, 'db-2', '10.1.0.7');
  await mesh.control();
  await eventually(async () => assert.deepEqual(await resolver.resolve4(`db-2.${db}`), ['10.1.0.7']), {
    timeoutMs: 30_000,
  });
  const counted = await metricsOf(address, 15_090);
  assert.ok(sumOf(counted, 'istio_agent_dns_requests_total', {}) >= 6);
  assert.equal(sumOf(counted, 'istio_agent_dns_upstream_requests_total', {}), 1);
  await assert.rejects(metricsOf(lease.meshAddress(1), DNS_PORT), 'the other sidecar answers no DNS');
  sidecar.kill('SIGTERM');
  assert.equal(await sidecar.ended, 0, sidecar.output());
});

describe('heddle sidecar says what is wrong with', () => {
  const needed = [
    ...['sidecar', '--control', '127.0.0.1:1', '--root-ca', 'root.pem', '--token-file', 'token'],
    ...['--name', 'a-0', '--address', '127.0.0.1'],
  ];
  const cases: [words: string[], says: RegExp][] = [
    [['--dns-address', '15053'], /--dns-address.*IP:PORT is needed, not "15053"/],
    [['--dns-address', '127.0.0.1'], /IP:PORT is needed/],
    [['--dns-address', 'localhost:15053'], /IP:PORT is needed, not "localhost:15053"/],
    [['--dns-address', '::1:15053'], /IP:PORT is needed.*\[IP\]:PORT for IPv6/],
    [['--dns-address', '127.0.0.1:70000'], /IP:PORT is needed/],
    [['--dns-address', '127.0.0.1:5,'], /IP:PORT is needed, not ""/],
    [['--dns-address', '127.0.0.1:5,127.0.0.1:5'], /names 127\.0\.0\.1 port 5 twice/],
    [['--dns-upstream', '9.9.9.9'], /no use without --dns-address/],
    [['--dns-address', '127.0.0.1:5', '--dns-upstream', 'dns.example'], /IP or IP:PORT is needed/],
    [['--dns-address', '127.0.0.1:5', '--dns-upstream', '9.9.9.9:0'], /IP or IP:PORT is needed/],
    [['--dns-address', '127.0.0.1:5', '--dns-upstream', '127.0.0.1:5'], /it would ask itself/],
  ];
  for (const [words, says] of cases) {
    test(words.join(' '), async (t) => {
      const child = startHeddle(t, [...needed, ...words]);
      assert.equal(await child.ended, 64, child.output());
      assert.match(child.output(), says);
    });
  }

  test('an address where somebody listens', async (t) => {
    const mesh = await startMesh(t);
    await mesh.control();
    const { port } = await startFakeResolver(t, () => []);
    const child = startHeddle(t, [...(await sidecarWords(mesh, 0)), '--dns-address', `127.0.0.1:${port}`]);
    await child.says(/cannot answer DNS: .*EADDRINUSE/);
    assert.equal(await child.ended, 1);
    assert.match(child.output(), /free for UDP and TCP/);
  });
});
