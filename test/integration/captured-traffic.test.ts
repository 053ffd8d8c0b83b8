/** Two Pods whose connections the kernel captures, with real sidecars on what the control plane would send them. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { indexResources } from '#control/store/resource-index.ts';
import { proxyNode } from '#control/translate/node.ts';
import { buildSnapshot } from '#control/translate/snapshot.ts';
import {
  type CaptureRules,
  captureScript,
  sourceOfInbound,
  tproxyRoutes,
} from '#host/network/capture-rules.ts';
import { MeshNetwork, type PodAddresses } from '#host/network/mesh-network.ts';
import type { Namespace } from '#host/network/namespace.ts';
import { run } from '#host/network/run.ts';
import { loadDocuments } from '#model/load.ts';
import { NodeSchema } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { TestRoot } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { describeInNamespaces, everything } from '../support/namespaces.ts';
import { requirePeer } from '../support/peer.ts';
import { staticSidecar } from '../support/static-bootstrap.ts';
import { tempDir } from '../support/temp-dir.ts';

const hub: PodAddresses = { ipv4: '10.244.0.1', ipv6: 'fd48::1' };
const addresses = {
  web: { ipv4: '10.244.1.1', ipv6: 'fd48::1:1' },
  store: { ipv4: '10.244.1.2', ipv6: 'fd48::1:2' },
} as const;
type PodName = keyof typeof addresses;
/** From where a sidecar calls its application under REDIRECT. */
const ofSidecar: PodAddresses = { ipv4: sourceOfInbound[4], ipv6: sourceOfInbound[6] };

const pod = (name: PodName, ports: readonly number[]): string => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: default, labels: {app: ${name}, security.istio.io/tlsMode: istio}}
spec:
  serviceAccountName: ${name}
  containers: [{name: app, image: x, ports: [${ports.map((port) => `{containerPort: ${port}}`).join()}]}]
status: {podIP: ${addresses[name].ipv4}, conditions: [{type: Ready, status: "True"}]}
---`;
const service = (name: string, address: string, port: string): string => `
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: default}
spec: {clusterIP: ${address}, selector: {app: store}, ports: [${port}]}
---`;
/** Port 9090 is one that nobody has told of. */
const mesh = [
  pod('web', []),
  pod('store', [8080]),
  service('store', '10.96.7.1', '{name: http, port: 80, targetPort: 8080}'),
  service('greeter', '10.96.7.2', '{name: tcp, port: 7000, targetPort: 7070}'),
  service('greeters', 'None', '{name: tcp, port: 7070}'),
].join('');
const strict = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
---`;
const registryOnly = `
apiVersion: heddle.dev/v1alpha1
kind: LocalMesh
metadata: {name: test}
outboundTrafficPolicy: {mode: REGISTRY_ONLY}
`;

/** Says where it was called, by whom, and who the sidecar says it was. */
const application = `
import { createServer as http } from 'node:http';
import { createServer as tcp } from 'node:net';
const plain = (address) => address.replace('::ffff:', '');
for (const port of [80, 8080, 9090]) http(({ socket, headers }, response) => {
  const { localAddress, localPort, remoteAddress } = socket;
  const caller = /URI=(spiffe:[^;]*)/.exec(headers['x-forwarded-client-cert'])?.[1] ?? 'unknown';
  response.end([plain(localAddress) + ' ' + localPort, plain(remoteAddress), caller].join(', '));
}).listen(port, ready);
tcp((socket) => socket.on('error', () => {}).end('welcome ' + plain(socket.remoteAddress))).listen(7070, ready);
let waiting = 4;
function ready() { if (--waiting === 0) console.log('ready'); }
`;
const askingHttp = `
const [url, host] = process.argv.slice(1);
const { get } = await import('node:http');
get(url, { headers: host === undefined ? {} : { host }, agent: false }, (response) => {
  let text = '';
  response.setEncoding('utf8').on('data', (more) => (text += more));
  response.on('end', () => console.log(response.statusCode + ' ' + text));
}).on('error', ({ code }) => console.log(code));
`;
/** What the server says, if need be when it is asked; a sidecar that waits for the caller's first bytes is late by seconds. */
const listening = `
const [host, port, said] = process.argv.slice(1);
const { connect } = await import('node:net');
const startMs = performance.now();
let text = '';
const socket = connect({ host, port: Number(port) });
if (said !== undefined) socket.write(said);
socket.setEncoding('utf8').on('data', (more) => (text += performance.now() - startMs < 3000 ? more : 'late'))
  .on('error', ({ code }) => (text = code)).on('close', () => console.log(text));
`;

const root = resolve(import.meta.dirname, '../..');
type Make = 'heddle' | 'envoy';
type Mode = CaptureRules['mode'];

describeInNamespaces('captured traffic', (means) => {
  const running: ChildProcess[] = [];
  let network: MeshNetwork;
  let pods: Readonly<Record<PodName, Namespace>>;
  let authority: TestRoot;
  before(async () => {
    authority = await TestRoot.create('mesh');
    network = await MeshNetwork.open(means, hub);
    pods = {
      web: await network.addPod('web', addresses.web, []),
      store: await network.addPod('store', addresses.store, []),
    };
    for (const namespace of Object.values(pods)) {
      for (const words of tproxyRoutes) await namespace.do([means.programs.ip, ...words]);
    }
    for (const namespace of [pods.store, network.hub]) {
      const [program, ...words] = [...namespace.enterPlainly('/'), ...script(application)];
      const child = spawn(program!, words, { stdio: ['ignore', 'pipe', 'inherit'] });
      running.push(child);
      await once(child.stdout!, 'data');
    }
  });
  after(async () => {
    await stop(running);
    for (const namespace of Object.values(pods ?? {})) await namespace.close();
    await network?.close();
  });

  async function capture(mode: Mode): Promise<void> {
    // The hub stands for somebody without a sidecar: it is not trusted as the hub.
    const script = captureScript({ ...everything, mode });
    for (const namespace of Object.values(pods)) await namespace.do([means.programs.nft, '-f', '-'], script);
  }

  const script = (text: string): string[] => [process.execPath, '--input-type=module', '-e', text];

  /** What an application in a Pod is answered; of the hub, somebody without a sidecar. */
  async function as(from: PodName | 'hub', words: readonly string[]): Promise<string> {
    const namespace = from === 'hub' ? network.hub : pods[from];
    return (await run([...namespace.enterPlainly('/'), ...words])).stdout.trim();
  }
  const get = (from: PodName | 'hub', url: string, ...host: string[]): Promise<string> =>
    as(from, [...script(askingHttp), url, ...host]);
  const hear = (from: PodName | 'hub', host: string, port: number, ...said: string[]): Promise<string> =>
    as(from, [...script(listening), host, String(port), ...said]);

  const commands: Readonly<Record<Make, (program: string, config: string) => string[]>> = {
    heddle: (program, config) => [process.execPath, program, 'proxy', '-c', config],
    envoy: (program, config) => [program, '-c', config, '--disable-hot-restart', '-l', 'warn'],
  };

  for (const make of ['heddle', 'envoy'] as const) {
    const sidecars = (mode: Mode, name: string, documents: string, check: () => Promise<void>): void =>
      void test(`${make}, ${mode}: ${name}`, async (t) => {
        const program = make === 'heddle' ? join(root, 'src/app/main.ts') : requirePeer(t, 'envoy');
        if (program === undefined) return;
        const started: ChildProcess[] = [];
        await capture(mode);
        try {
          const outputs = await Promise.all(
            (['web', 'store'] as const).map(async (self) => {
              const config = join(tempDir(t), 'bootstrap.json');
              writeFileSync(config, JSON.stringify(await bootstrap(self, { make, mode, documents })));
              const words = [...pods[self].enter(), ...commands[make](program, config)];
              const child = spawn(words[0]!, words.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
              started.push(child);
              const output: string[] = [];
              for (const stream of [child.stdout, child.stderr])
                stream.setEncoding('utf8').on('data', (text: string) => output.push(text));
              await eventually(
                async () => assert.match(await get(self, 'http://127.0.0.1:15000/ready'), /^200 LIVE/),
                { timeoutMs: 60_000, everyMs: 250, until: () => child.exitCode !== null },
              ).catch((cause: unknown) => {
                throw new Error(output.join(''), { cause });
              });
              return output;
            }),
          );
          await check().catch((cause: unknown) => {
            throw new Error(outputs.flat().join(''), { cause });
          });
        } finally {
          await stop(started);
        }
      });

    for (const mode of ['REDIRECT', 'TPROXY'] as const) {
      sidecars(mode, 'everything arrives where it was sent', mesh, () => arrives(mode));
    }

    async function arrives(mode: Mode): Promise<void> {
      const seenAs = (caller: PodAddresses): PodAddresses => (mode === 'TPROXY' ? caller : ofSidecar);
      const atApplication = (caller: PodAddresses): string =>
        `${addresses.store.ipv4} 8080, ${seenAs(caller).ipv4}`;
      const web = `${atApplication(addresses.web)}, spiffe://cluster.local/ns/default/sa/web`;
      const store = `${atApplication(addresses.store)}, spiffe://cluster.local/ns/default/sa/store`;
      // By the service's address, whatever it is called.
      assert.equal(await get('web', 'http://10.96.7.1/'), `200 ${web}`);
      assert.equal(await get('web', 'http://10.96.7.1/', 'store.default'), `200 ${web}`);
      assert.equal(await get('store', 'http://10.96.7.1/'), `200 ${store}`);
      assert.match(
        await hear('web', '10.96.7.1', 80, 'GET / HTTP/1.0\r\nhost: store\r\n\r\n'),
        / 200 OK[\s\S]*sa\/web$/,
      );
      // By the Pod's, as a host that the mesh does not know; and on a port that nobody has told of.
      assert.equal(
        await get('web', `http://${addresses.store.ipv4}:8080/`),
        `200 ${atApplication(addresses.web)}, unknown`,
      );
      assert.equal(
        await get('web', `http://${addresses.store.ipv4}:9090/`),
        `200 ${addresses.store.ipv4} 9090, ${seenAs(addresses.web).ipv4}, unknown`,
      );
      assert.equal(
        await get('web', `http://[${addresses.store.ipv6}]:9090/`),
        `200 ${addresses.store.ipv6} 9090, ${seenAs(addresses.web).ipv6}, unknown`,
      );
      assert.equal(
        await get('hub', `http://${addresses.store.ipv4}:8080/`),
        `200 ${atApplication(hub)}, unknown`,
      );
      assert.equal(
        await hear('web', addresses.store.ipv6, 7070, 'hello'),
        `welcome ${seenAs(addresses.web).ipv6}`,
      );
      // Out of the mesh.
      assert.match(await get('web', `http://${hub.ipv4}/`), /^200 10\.244\.0\.1 80, 10\.244\.1\.1/);
      assert.match(await get('web', `http://${hub.ipv4}:8080/`), /^200 10\.244\.0\.1 8080, 10\.244\.1\.1/);
      assert.equal(await hear('web', hub.ipv4, 7070), `welcome ${addresses.web.ipv4}`);
      // The sidecar's own port is nobody's.
      assert.equal(await get('hub', `http://${addresses.store.ipv4}:15006/`), 'ECONNRESET');
      await greetsAtOnce(seenAs(addresses.web));
    }

    sidecars('REDIRECT', 'only what is of the mesh', mesh + strict + registryOnly, async () => {
      assert.match(await get('web', 'http://10.96.7.1/'), /^200 10\.244\.1\.2 8080, .*sa\/web$/);
      await greetsAtOnce(ofSidecar);
      for (const port of [8080, 9090]) {
        assert.equal(await get('hub', `http://${addresses.store.ipv4}:${port}/`), 'ECONNRESET');
      }
      assert.equal(await get('web', `http://${hub.ipv4}/`), '502');
      assert.equal(await get('web', `http://${hub.ipv4}:8080/`), 'ECONNRESET');
      assert.equal(await hear('web', hub.ipv4, 7070), '');
    });

    /** By the service's address and by the instance's. */
    async function greetsAtOnce({ ipv4 }: PodAddresses): Promise<void> {
      assert.equal(await hear('web', '10.96.7.2', 7000), `welcome ${ipv4}`);
      assert.equal(await hear('web', addresses.store.ipv4, 7070), `welcome ${ipv4}`);
    }
  }

  async function bootstrap(
    self: PodName,
    { make, mode, documents }: { readonly make: Make; readonly mode: Mode; readonly documents: string },
  ): Promise<object> {
    const id = `sidecar~${addresses[self].ipv4}~${self}.default~default.svc.cluster.local`;
    const metadata = { INTERCEPTION_MODE: mode };
    const node = proxyNode(create(NodeSchema, { id, userAgentName: make, metadata }));
    assert.ok(node.ok);
    const { resources, problems } = loadDocuments([{ file: 'mesh', text: documents }]);
    assert.deepEqual(problems, []);
    const snapshot = buildSnapshot(indexResources(resources), node.value);
    assert.deepEqual(snapshot.problems, []);
    const uris = [`spiffe://cluster.local/ns/default/sa/${self}`];
    return staticSidecar(snapshot, await authority.issue({ uris }), authority.pem);
  }
});

async function stop(children: readonly ChildProcess[]): Promise<void> {
  for (const child of children) child.kill('SIGKILL');
  await Promise.all(children.map((child) => child.exitCode ?? child.signalCode ?? once(child, 'exit')));
}
