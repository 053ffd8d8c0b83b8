/** How long a proxy stands still while it takes an update: seen by clients whose requests are due every millisecond. */
import { execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { EncodedResource } from '#xds/snapshot.ts';
import type { Question } from '../row.ts';
import { startControl } from './control.ts';
import { bareResources } from './resources.ts';
import { startSidecar } from './sidecar.ts';

export interface Update {
  readonly clusters: number;
  /** Of one cluster. */
  readonly hosts: number;
  /** `lb_policy` of the cluster with the hosts; absent: round robin. */
  readonly policy?: string;
}

const before: Update = { clusters: 0, hosts: 1 };
const ratePerSecond = 1000;
const connections = 8;
const acceptedWithinMs = 20_000;
/** The first seconds are those of just-in-time compilers. */
const warmUpSeconds = 10;
/** What was accepted may take effect a little later. */
const afterwardsMs = 500;

const plan = (place: { outboundPort: number; accessLog: string }, what: Update): EncodedResource[] =>
  bareResources({ port: place.outboundPort, accessLog: place.accessLog, ...what });

const stormEveryMs = 50;
const stormHosts = 100;
const stormClusters = 100;

/** The same while the endpoints of a cluster, and other clusters, come and go every 50 ms. */
export async function storm(question: Question): Promise<Readonly<Record<string, number>>> {
  const { bed, seconds } = question;
  const control = await startControl(join(bed.folder, 'control'));
  try {
    const sidecar = await startSidecar(question, control, 0, (place) => plan(place, before));
    try {
      const plans = [0, 1, 2, 3].map((at) =>
        plan(sidecar, { clusters: stormClusters * (at % 2), hosts: stormHosts * (1 + (at >> 1)) }),
      );
      const client = await startSteady(bed.loadProgram, sidecar.outboundPort);
      await wait(Math.max(warmUpSeconds, seconds) * 1000);
      const pushedMs = Date.now();
      for (let at = 0; Date.now() - pushedMs < seconds * 1000; at++) {
        control.set(sidecar.nodeId, plans[at % plans.length]!);
        await wait(stormEveryMs);
      }
      const acceptedMs = Date.now();
      await wait(afterwardsMs);
      const { longestMs = 0, quietMs = 0 } = figuresOf(await client.stop(), { pushedMs, acceptedMs });
      return { longestMs, quietMs };
    } finally {
      await sidecar.stop();
    }
  } finally {
    await control.close();
  }
}

interface Steady {
  readonly samples: readonly { readonly atMs: number; readonly latencyUs: number }[];
  readonly errors: number;
}

export const stall =
  (update: Update) =>
  async (question: Question): Promise<Readonly<Record<string, number>>> => {
    const { bed, seconds } = question;
    const control = await startControl(join(bed.folder, 'control'));
    try {
      const sidecar = await startSidecar(question, control, 0, (place) =>
        plan(place, { ...update, ...before }),
      );
      try {
        // Encoded before the clock runs.
        const next = plan(sidecar, update);
        const client = await startSteady(bed.loadProgram, sidecar.outboundPort);
        await wait(Math.max(warmUpSeconds, seconds) * 1000);
        const pushedMs = Date.now();
        await control.update(sidecar.nodeId, next, acceptedWithinMs).catch(async (error) => {
          await client.stop();
          throw error;
        });
        const acceptedMs = Date.now();
        await wait(afterwardsMs);
        return figuresOf(await client.stop(), { pushedMs, acceptedMs });
      } finally {
        await sidecar.stop();
      }
    } finally {
      await control.close();
    }
  };

/** Started with a real-time priority where that is allowed: it must not wait for its core itself. */
async function startSteady(program: string, port: number): Promise<{ stop(): Promise<Steady> }> {
  const realTime = ['-f', '1'];
  const allowed = await promisify(execFile)('chrt', [...realTime, 'true']).then(
    () => true,
    () => false,
  );
  const args = [
    ...['steady', '-address', `127.0.0.1:${port}`, '-connections', String(connections)],
    ...['-rate', String(ratePerSecond), '-path', '/'],
  ];
  const child = allowed
    ? spawn('chrt', [...realTime, program, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
    : spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const output = text(child.stdout);
  return {
    async stop(): Promise<Steady> {
      child.stdin.end();
      return JSON.parse(await output) as Steady;
    },
  };
}

/** Requests due in the first instants find connections that are not there yet. */
const beginningMs = 300;

function figuresOf(
  { samples, errors }: Steady,
  { pushedMs, acceptedMs }: { pushedMs: number; acceptedMs: number },
): Record<string, number> {
  if (errors > 0) throw new Error(`${errors} connections failed`);
  const longest = (fromMs: number, toMs: number): number =>
    samples.reduce(
      (most, { atMs, latencyUs }) => (atMs >= fromMs && atMs < toMs ? Math.max(most, latencyUs) : most),
      0,
    ) / 1000;
  const beganMs =
    samples.reduce((first, { atMs }) => Math.min(first, atMs), Number.POSITIVE_INFINITY) + beginningMs;
  return {
    // A stall may have begun just before what it made wait was due.
    longestMs: longest(pushedMs, acceptedMs + afterwardsMs),
    quietMs: longest(beganMs, pushedMs),
    tookMs: acceptedMs - pushedMs,
  };
}
