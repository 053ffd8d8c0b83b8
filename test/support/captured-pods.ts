/**
 * Two Pods whose connections the kernel captures, with real sidecars on what the control plane would send them, and
 * beside them a hub, which has none.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { TestContext } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { indexResources } from '#control/store/resource-index.ts';
import { proxyNode } from '#control/translate/node.ts';
import { buildSnapshot } from '#control/translate/snapshot.ts';
import { type CaptureRules, captureRules, tproxyRoutes } from '#host/network/capture-rules.ts';
import type { NamespaceMeans } from '#host/network/means.ts';
import { MeshNetwork, type PodAddresses } from '#host/network/mesh-network.ts';
import type { Namespace } from '#host/network/namespace.ts';
import { run } from '#host/network/run.ts';
import { loadDocuments } from '#model/load.ts';
import { NodeSchema } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { TestRoot } from './certificates.ts';
import { eventually } from './eventually.ts';
import { everything } from './namespaces.ts';
import { requirePeer } from './peer.ts';
import { staticSidecar } from './static-bootstrap.ts';
import { tempDir } from './temp-dir.ts';

export const hub: PodAddresses = { ipv4: '10.244.0.1', ipv6: 'fd48::1' };
export const addresses = {
  web: { ipv4: '10.244.1.1', ipv6: 'fd48::1:1' },
  store: { ipv4: '10.244.1.2', ipv6: 'fd48::1:2' },
} as const;
export type PodName = keyof typeof addresses;
/** The hub is somebody without a sidecar. */
export type Place = PodName | 'hub';
export type Make = 'heddle' | 'envoy';
export type Mode = CaptureRules['mode'];

/** What sidecars run on. */
export interface SidecarPlan {
  readonly makes: Readonly<Record<PodName, Make>>;
  readonly mode: Mode;
  readonly documents: string;
}

const root = resolve(import.meta.dirname, '../..');
const commands: Readonly<Record<Make, (program: string, config: string) => string[]>> = {
  heddle: (program, config) => [process.execPath, program, 'proxy', '-c', config],
  envoy: (program, config) => [program, '-c', config, '--disable-hot-restart', '-l', 'warn'],
};

const askingHttp = `
const [url, host] = process.argv.slice(1);
const { get } = await import('node:http');
get(url, { headers: host === undefined ? {} : { host }, agent: false }, (response) => {
  let text = '';
  response.setEncoding('utf8').on('data', (more) => (text += more));
  response.on('end', () => console.log(response.statusCode + ' ' + text));
}).on('error', ({ code }) => console.log(code));
`;

export class CapturedPods {
  readonly #network: MeshNetwork;
  readonly #pods: Readonly<Record<PodName, Namespace>>;
  readonly #authority: TestRoot;
  readonly #applications: ChildProcess[] = [];

  private constructor(network: MeshNetwork, pods: Readonly<Record<PodName, Namespace>>, authority: TestRoot) {
    this.#network = network;
    this.#pods = pods;
    this.#authority = authority;
  }

  static async open(means: NamespaceMeans): Promise<CapturedPods> {
    const authority = await TestRoot.create('mesh');
    const network = await MeshNetwork.open(means, hub);
    const pods = {
      web: await network.addPod('web', addresses.web, []),
      store: await network.addPod('store', addresses.store, []),
    };
    for (const namespace of Object.values(pods)) {
      for (const words of tproxyRoutes) await namespace.do([means.programs.ip, ...words]);
    }
    return new CapturedPods(network, pods, authority);
  }

  /** Goes on when the program has said something. */
  async runApplication(place: Place, script: string): Promise<void> {
    const [program, ...words] = [...this.#at(place).enterPlainly('/'), ...scriptWords(script)];
    const child = spawn(program!, words, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#applications.push(child);
    await once(child.stdout!, 'data');
  }

  /** What a program there says. */
  async ask(place: Place, script: string, ...words: string[]): Promise<string> {
    const command = [...this.#at(place).enterPlainly('/'), ...scriptWords(script), ...words];
    return (await run(command)).stdout.trim();
  }

  /** `STATUS BODY`, or the code of the error. @param host instead of that of the URL */
  get(place: Place, url: string, ...host: string[]): Promise<string> {
    return this.ask(place, askingHttp, url, ...host);
  }

  /** Starts both sidecars and ends them after the check; what they said is part of its failure. */
  async withSidecars(
    t: TestContext,
    { makes, mode, documents }: SidecarPlan,
    check: () => Promise<void>,
  ): Promise<void> {
    const programs = {
      heddle: join(root, 'src/app/main.ts'),
      envoy: Object.values(makes).includes('envoy') ? requirePeer(t, 'envoy') : '',
    };
    if (programs.envoy === undefined) return;
    await this.#capture(mode);
    const started: ChildProcess[] = [];
    const start = async (self: PodName): Promise<string[]> => {
      const make = makes[self];
      const config = join(tempDir(t), 'bootstrap.json');
      writeFileSync(config, JSON.stringify(await this.#bootstrap(self, make, mode, documents)));
      const words = [...this.#pods[self].enter(), ...commands[make](programs[make]!, config)];
      const child = spawn(words[0]!, words.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
      started.push(child);
      const output: string[] = [];
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding('utf8').on('data', (text: string) => output.push(text));
      await eventually(
        async () => assert.match(await this.get(self, 'http://127.0.0.1:15000/ready'), /^200 LIVE/),
        { timeoutMs: 60_000, everyMs: 250, until: () => child.exitCode !== null },
      ).catch((cause: unknown) => {
        throw new Error(output.join(''), { cause });
      });
      return output;
    };
    try {
      const outputs = await Promise.all([start('web'), start('store')]);
      await check().catch((cause: unknown) => {
        throw new Error(outputs.flat().join(''), { cause });
      });
    } finally {
      await stop(started);
    }
  }

  async #capture(mode: Mode): Promise<void> {
    // The hub stands for somebody without a sidecar: it is not trusted as the hub.
    const rules = captureRules({ ...everything, mode });
    for (const namespace of Object.values(this.#pods)) await namespace.setRules(rules);
  }

  async #bootstrap(self: PodName, make: Make, mode: Mode, documents: string): Promise<object> {
    const id = `sidecar~${addresses[self].ipv4}~${self}.default~default.svc.cluster.local`;
    const metadata = { INTERCEPTION_MODE: mode };
    const node = proxyNode(create(NodeSchema, { id, userAgentName: make, metadata }));
    assert.ok(node.ok);
    const { resources, problems } = loadDocuments([{ file: 'mesh', text: documents }]);
    assert.deepEqual(
      problems.filter(({ level }) => level !== 'info'),
      [],
    );
    const snapshot = buildSnapshot(indexResources(resources), node.value);
    assert.deepEqual(snapshot.problems, []);
    const uris = [`spiffe://cluster.local/ns/default/sa/${self}`];
    return staticSidecar(snapshot, await this.#authority.issue({ uris }), this.#authority.pem);
  }

  #at(place: Place): Namespace {
    return place === 'hub' ? this.#network.hub : this.#pods[place];
  }

  async close(): Promise<void> {
    await stop(this.#applications);
    for (const namespace of Object.values(this.#pods)) await namespace.close();
    await this.#network.close();
  }
}

function scriptWords(text: string): string[] {
  return [process.execPath, '--input-type=module', '-e', text];
}

async function stop(children: readonly ChildProcess[]): Promise<void> {
  for (const child of children) child.kill('SIGKILL');
  await Promise.all(children.map((child) => child.exitCode ?? child.signalCode ?? once(child, 'exit')));
}

/** The document of a Pod with a sidecar. */
export function podDocument(name: PodName, ports: readonly number[]): string {
  return `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: default, labels: {app: ${name}, security.istio.io/tlsMode: istio}}
spec:
  serviceAccountName: ${name}
  containers: [{name: app, image: x, ports: [${ports.map((port) => `{containerPort: ${port}}`).join()}]}]
status: {podIP: ${addresses[name].ipv4}, conditions: [{type: Ready, status: "True"}]}
---`;
}

/** Of what the Pod `store` serves. @param ports in YAML */
export function serviceDocument(name: string, address: string, ports: string): string {
  return `
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: default}
spec: {clusterIP: ${address}, selector: {app: store}, ports: [${ports}]}
---`;
}

export const strictDocument = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
---`;
