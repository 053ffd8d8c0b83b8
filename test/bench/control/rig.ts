/** A control plane in a process and on a core of its own, the files it reads, and the clients of another process. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { addressOf, type LargeMesh, manifestOf, placeOf, podName, podOf } from '../../support/large-mesh.ts';
import { proxyCore } from '../bed.ts';
import { cpuTime, memory } from '../measure/process-cost.ts';
import { accepts } from '../probe.ts';
import { freePorts, lastWords, ready, spawnPinned, stopChild } from '../process.ts';
import { monotonicMs, type Order, type Report } from './clients.ts';

const heddle = resolve(import.meta.dirname, '../../../bin/heddle');
const clientsModule = join(import.meta.dirname, 'clients.ts');

export interface Rig {
  readonly mesh: LargeMesh;
  writeRoutes(service: number, said: string): void;
  writePod(service: number, instance: number, address: string): void;
  /** Starts the control plane; resolves when its port is open. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Connects sidecars of instances; resolves when all have everything, with the milliseconds it took. */
  connect(count: number): Promise<number>;
  /**
   * Does `change` and waits until every client has answered so many resources of responses that hold `marker`.
   *
   * @returns milliseconds from before the change to the last answer, and what came
   */
  spread(marker: string, resources: number, change: () => void | Promise<void>): Promise<Spread>;
  /** CPU time of the control plane so far, in milliseconds. */
  cpuMs(): number;
  residentBytes(): number;
  metric(name: string): Promise<number>;
}

export interface Spread extends Pick<Report, 'bytes' | 'responses'> {
  readonly tookMs: number;
}

/** Runs `body` with the documents written and nothing started; leaves nothing behind. */
export async function withRig<T>(mesh: LargeMesh, body: (rig: Rig) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-bench-control-'));
  const manifests = join(folder, 'manifests');
  const pods = join(folder, 'pods');
  for (const one of [manifests, pods]) mkdirSync(one);
  const put = (file: string, text: string): void => {
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  };
  const manifestFile = (service: number): string => join(manifests, `${placeOf(service).name}.yaml`);
  const podFile = (service: number, instance: number): string =>
    join(pods, `${podName(service, instance)}.json`);
  for (let service = 0; service < mesh.services; service++) {
    writeFileSync(manifestFile(service), manifestOf(service));
    for (let instance = 0; instance < mesh.endpoints; instance++)
      writeFileSync(podFile(service, instance), JSON.stringify(podOf(service, instance)));
  }
  const [xds = 0, secure = 0, api = 0] = await freePorts(3);
  let control: ChildProcess | undefined;
  const clients = fork(clientsModule, { stdio: 'inherit' });
  const tell = (order: Order): void => void clients.send(order);
  const heard = async (): Promise<unknown> => ((await once(clients, 'message')) as unknown[])[0];
  const pidOf = (): number => control?.pid ?? 0;
  try {
    return await body({
      mesh,
      writeRoutes: (service, said) => put(manifestFile(service), manifestOf(service, said)),
      writePod: (service, instance, address) =>
        put(podFile(service, instance), JSON.stringify(podOf(service, instance, address))),
      async start(): Promise<void> {
        const ports = ['--xds-port', xds, '--secure-xds-port', secure, '--api-port', api].map(String);
        const state = ['--state', join(folder, 'state'), '--pods', pods, '--log-level', 'warn'];
        const args = ['control', manifests, ...state, ...ports];
        control = spawnPinned({ command: heddle, args, cores: String(proxyCore), folder });
        try {
          await ready(() => accepts(xds), [control]);
        } catch (error) {
          throw new Error(`the control plane does not start: ${lastWords(folder)}`, { cause: error });
        }
      },
      stop: async () => void (control !== undefined && (await stopChild(control))),
      async connect(count): Promise<number> {
        const sidecars = Array.from({ length: count }, (_, at) => sidecarOf(at, mesh));
        const fromMs = monotonicMs();
        tell({ order: 'connect', port: xds, sidecars });
        return ((await heard()) as Report).atMs - fromMs;
      },
      async spread(marker, resources, change): Promise<Spread> {
        tell({ order: 'watch', marker, resources });
        await heard();
        const done = heard();
        const fromMs = monotonicMs();
        await change();
        const { atMs, bytes, responses } = (await done) as Report;
        return { tookMs: atMs - fromMs, bytes, responses };
      },
      cpuMs: () => cpuTime([pidOf()]).totalUs / 1000,
      residentBytes: () => memory([pidOf()]).residentBytes,
      async metric(name): Promise<number> {
        const text = await (await fetch(`http://127.0.0.1:${api}/metrics`)).text();
        const lines = text
          .split('\n')
          .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
        return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
      },
    });
  } finally {
    tell({ order: 'end' });
    if (control !== undefined) await stopChild(control);
    await stopChild(clients);
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

function sidecarOf(at: number, { services }: LargeMesh): { id: string; namespace: string } {
  const service = at % services;
  const instance = Math.floor(at / services);
  const { namespace } = placeOf(service);
  const name = `${podName(service, instance)}.${namespace}`;
  return { id: `sidecar~${addressOf(service, instance)}~${name}~${namespace}.svc.cluster.local`, namespace };
}
