/** A contender of a row that runs: one proxy, or two of the same in a row, in front of the backend. */
import type { ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Bed, proxyCore } from './bed.ts';
import {
  type Besides,
  type Elsewhere,
  type Hop,
  nothingElse,
  type Tls,
  type Traffic,
} from './config/work.ts';
import { accepts, answers, type Target } from './probe.ts';
import { freePorts, lastWords, ready, spawnPinned, stopChild } from './process.ts';
import { type ContenderName, type Program, programOf, versionOf } from './program.ts';

/** What a row wants of each contender. */
export interface Setup {
  readonly traffic: Traffic;
  /** One proxy each; the first is the client's. */
  readonly hops: readonly Tls[];
  readonly elsewhere: Elsewhere;
  readonly besides?: Besides;
  readonly threads: number;
  /** Of the proxies. */
  readonly cores: string;
  /** Port of the backend, as this contender can speak to it. */
  readonly backendPort: number;
}

/** One proxy for HTTP/1.1 on the proxies' core. */
export const bedSetup = ({ backends }: Bed): Setup => ({
  traffic: 'h1',
  hops: ['none'],
  elsewhere: nothingElse,
  threads: 1,
  cores: String(proxyCore),
  backendPort: backends.h1,
});

export interface Contender {
  readonly name: ContenderName;
  readonly version: string;
  /** Where the load goes. */
  readonly target: Target;
  /** From the first process spawned to the first answer through the whole chain. */
  readonly startMs: number;
  /** Roots of the process trees; none for `direct`. */
  readonly pids: readonly number[];
  readonly accessLogs: readonly string[];
  stop(): Promise<void>;
}

/** Starts `name`; rejects with its last words when it does not answer in time. */
export async function startContender(name: ContenderName, setup: Setup, bed: Bed): Promise<Contender> {
  const { traffic, hops: sides, backendPort } = setup;
  if (name === 'direct') {
    const target: Target = { traffic, tls: 'none', port: backendPort, certificates: bed.certificates };
    return { name, version: '', target, startMs: 0, pids: [], accessLogs: [], stop: async () => {} };
  }
  const program = programOf(name);
  const hops = await layOut(name, setup, bed);
  const version = await versionOf(program);
  const target: Target = {
    traffic,
    tls: sides[0] === 'originate' ? 'none' : (sides[0] ?? 'none'),
    port: hops[0]?.listenPort ?? 0,
    certificates: bed.certificates,
  };
  const { children, startMs } = await launch(program, hops, setup.cores, target);
  return {
    name,
    version,
    target,
    startMs,
    pids: children.map(({ pid }) => pid ?? 0),
    accessLogs: hops.map(({ accessLog }) => accessLog),
    stop: async () => {
      await Promise.all(children.map(stopChild));
    },
  };
}

async function launch(
  program: Program,
  hops: readonly Hop[],
  cores: string,
  target: Target,
): Promise<{ children: ChildProcess[]; startMs: number }> {
  const commands = hops.map((hop) => program.configure(hop));
  const startedMs = performance.now();
  const children: ChildProcess[] = [];
  try {
    // The last one first: a proxy that finds its upstream refusing may wait a second before it tries again.
    for (const [at, { folder, accessLog, listenPort }] of [...hops.entries()].reverse()) {
      // What goes to standard output is haproxy's access log; nobody else says anything there while it runs.
      const stdout = program.command.endsWith('haproxy') ? { stdout: accessLog } : {};
      const args = commands[at] ?? [];
      children.unshift(spawnPinned({ command: program.command, args, cores, folder, ...stdout }));
      if (at > 0) await ready(() => accepts(listenPort), children);
    }
    await ready(() => answers(target), children);
  } catch (error) {
    await Promise.all(children.map(stopChild));
    const said = hops.map(({ folder }) => lastWords(folder)).join('\n');
    throw new Error(`${(error as Error).message}; it said: ${said}`);
  }
  return { children, startMs: performance.now() - startedMs };
}

async function layOut(name: ContenderName, setup: Setup, bed: Bed): Promise<Hop[]> {
  const { traffic, threads, elsewhere, besides = {}, hops: sides, backendPort } = setup;
  const ports = await freePorts(sides.length * 2);
  return sides.map((tls, at) => {
    const folder = join(bed.folder, `${name}-${tls}`);
    mkdirSync(folder, { recursive: true });
    return {
      traffic,
      tls,
      elsewhere,
      besides,
      threads,
      folder,
      accessLog: join(folder, 'access.log'),
      certificates: bed.certificates,
      listenPort: ports[at] ?? 0,
      upstreamPort: at + 1 < sides.length ? (ports[at + 1] ?? 0) : backendPort,
      statsPort: ports[sides.length + at] ?? 0,
    };
  });
}
