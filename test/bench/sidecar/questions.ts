/** What is asked of sidecars: the memory a further one takes, idle and under connections, and how often it wakes. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Bed } from '../bed.ts';
import { leafDnsName } from '../config/work.ts';
import { contextSwitches, memory } from '../measure/process-cost.ts';
import { stopChild } from '../process.ts';
import type { Question } from '../row.ts';
import { startControl } from './control.ts';
import { meshClusters, meshSecrets } from './mesh-clusters.ts';
import { bareResources, resource } from './resources.ts';
import { meshResources, type ResourcesOf, type Sidecar, startSidecar } from './sidecar.ts';

/** Sidecars that run already: what they share with a further one is not that one's cost. */
const others = 3;
const idleConnections = 5000;

type Figures = Readonly<Record<string, number>>;

async function withFurtherSidecar(
  question: Question,
  body: (further: Sidecar) => Promise<Figures>,
): Promise<Figures> {
  const { name, bed } = question;
  const control = await startControl(join(bed.folder, 'control'));
  const sidecars: Sidecar[] = [];
  try {
    for (let at = 0; at <= others; at++) {
      sidecars.push(await startSidecar(question, control, at, meshResources(name, bed)));
    }
    return await body(sidecars.at(-1)!);
  } finally {
    await Promise.all(sidecars.map((sidecar) => sidecar.stop()));
    await control.close();
  }
}

const settle = (seconds: number): Promise<void> => wait(seconds * 1000);

export const furtherSidecar = (question: Question): Promise<Figures> =>
  withFurtherSidecar(question, async ({ pid }) => {
    await settle(question.seconds);
    return { ...memory([pid]) };
  });

export const idleConnectionMemory =
  (secured: boolean) =>
  (question: Question): Promise<Figures> =>
    withFurtherSidecar(question, async (further) => {
      await settle(question.seconds);
      const before = memory([further.pid]);
      const release = await openConnections(further, question.bed, secured);
      try {
        await settle(question.seconds);
        const after = memory([further.pid]);
        const addedBytes = after.uniqueBytes - before.uniqueBytes;
        return { ...after, addedBytes, connectionBytes: addedBytes / idleConnections };
      } finally {
        await release();
      }
    });

const manyClusters = 2000;

/** Of a sidecar with thousands of clusters that nobody sends anything to, and of one with one of them. */
export async function clusterMemory(question: Question): Promise<Figures> {
  const { bed, seconds } = question;
  const control = await startControl(join(bed.folder, 'control'));
  const sidecars: Sidecar[] = [];
  const start = async (clusters: number): Promise<Figures> => {
    const resourcesOf: ResourcesOf = ({ outboundPort, accessLog }) => [
      ...bareResources({ port: outboundPort, accessLog, clusters: 0, hosts: 1 }),
      ...meshClusters({ clusters, endpoints: 1 }, resource),
    ];
    const secrets = meshSecrets(bed.certificates);
    const sidecar = await startSidecar(question, control, sidecars.length, resourcesOf, secrets);
    sidecars.push(sidecar);
    await settle(Math.max(restSeconds, seconds));
    return { ...memory([sidecar.pid]) };
  };
  try {
    const { uniqueBytes: fewBytes = 0 } = await start(1);
    const { uniqueBytes = 0, residentBytes = 0 } = await start(manyClusters);
    const clusterBytes = (uniqueBytes - fewBytes) / (manyClusters - 1);
    return { clusterBytes, uniqueBytes, residentBytes };
  } finally {
    await Promise.all(sidecars.map((sidecar) => sidecar.stop()));
    await control.close();
  }
}

/** Each has had one answer. @returns what ends them. */
async function openConnections(
  { outboundPort, inboundPort }: Sidecar,
  { loadProgram, certificates }: Bed,
  secured: boolean,
): Promise<() => Promise<void>> {
  const { ca, certificate, key } = certificates;
  const tls = ['-ca', ca, '-certificate', certificate, '-key', key, '-server-name', leafDnsName];
  const child = spawn(
    loadProgram,
    [
      ...['idle', '-address', `127.0.0.1:${secured ? inboundPort : outboundPort}`, '-path', '/small'],
      ...['-connections', String(idleConnections), ...(secured ? tls : [])],
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const line = await new Promise<string>((done, reject) => {
    child.stdout.once('data', (text: Buffer) => done(text.toString()));
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the load ended with ${code}`)));
  });
  const found = JSON.parse(line) as { connections: number; errors: number; first?: string };
  if (found.connections !== idleConnections) {
    await stopChild(child);
    throw new Error(`${found.errors} connections failed: ${found.first}`);
  }
  return () => stopChild(child);
}

/** Long enough for timers of a second and more to show. */
const leastSeconds = 5;
/** A start, and what is given back after it, are over by then. */
const restSeconds = 15;

export const idleWakeups = (question: Question): Promise<Figures> =>
  withFurtherSidecar(question, async ({ pid }) => {
    const seconds = Math.max(leastSeconds, question.seconds);
    await settle(restSeconds);
    const before = contextSwitches([pid]);
    const startedMs = performance.now();
    await settle(seconds);
    const tookSeconds = (performance.now() - startedMs) / 1000;
    return { wakeupsPerSecond: (contextSwitches([pid]) - before) / tookSeconds };
  });
