/** The proxies that are compared: how each is configured, started on the proxies' core, found ready and stopped. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { findPeer } from '../support/peer.ts';
import { bootstrap } from './config/bootstrap.ts';
import { haproxy } from './config/haproxy.ts';
import { nginxProxy } from './config/nginx.ts';
import type { Certificates, Hop } from './config/work.ts';
import { outputOf } from './measure/output.ts';

export const contenderNames = ['heddle', 'envoy', 'nginx', 'haproxy', 'direct'] as const;
/** `direct` is the load on the backend with no proxy between. */
export type ContenderName = (typeof contenderNames)[number];

/** `pair`: two of the same proxy, mutual TLS between them. */
export type Chain = 'single' | 'pair';

export interface Contender {
  readonly name: ContenderName;
  readonly version: string;
  /** Where the load goes. */
  readonly port: number;
  /** From the first process spawned to the first answer through the whole chain. */
  readonly startMs: number;
  /** Roots of the process trees; none for `direct`. */
  readonly pids: readonly number[];
  readonly accessLogs: readonly string[];
  stop(): Promise<void>;
}

export interface Bed {
  readonly folder: string;
  readonly backendPort: number;
  readonly proxyCore: number;
  readonly certificates: Certificates;
}

const startDeadlineMs = 20_000;
const stopDeadlineMs = 5_000;
const heddle = resolve(import.meta.dirname, '../../bin/heddle');

interface Program {
  readonly command: string;
  readonly versionArgs: readonly string[];
  /** Writes the configuration and gives the arguments that run it. */
  configure(hop: Hop): readonly string[];
}

function write(hop: Hop, name: string, text: string): string {
  const file = join(hop.folder, name);
  writeFileSync(file, text);
  return file;
}

/** Rejects with the reason when the program is not there. */
function programOf(name: Exclude<ContenderName, 'direct'>): Program {
  if (name === 'heddle') {
    return {
      command: heddle,
      versionArgs: ['version'],
      configure: (hop) => ['proxy', '-c', write(hop, 'bootstrap.json', bootstrap(hop, { istioStats: true }))],
    };
  }
  const command = findPeer(name);
  if (command === undefined) throw new Error(`${name} is not installed: npm run peers ${name}`);
  switch (name) {
    case 'envoy':
      return {
        command,
        versionArgs: ['--version'],
        configure: (hop) => [
          ...['-c', write(hop, 'bootstrap.json', bootstrap(hop, { istioStats: false }))],
          ...['--concurrency', '1', '--disable-hot-restart', '-l', 'warning'],
        ],
      };
    case 'nginx':
      return {
        command,
        versionArgs: ['-v'],
        configure: (hop) => ['-p', hop.folder, '-c', write(hop, 'nginx.conf', nginxProxy(hop))],
      };
    case 'haproxy':
      return {
        command,
        versionArgs: ['-v'],
        configure: (hop) => ['-f', write(hop, 'haproxy.cfg', haproxy(hop))],
      };
  }
}

/** Starts `name`; rejects with its last words when it does not answer in time. */
export async function startContender(name: ContenderName, chain: Chain, bed: Bed): Promise<Contender> {
  if (name === 'direct') {
    const rest = { version: '', startMs: 0, pids: [], accessLogs: [], stop: async () => {} };
    return { name, port: bed.backendPort, ...rest };
  }
  const program = programOf(name);
  const hops = await layOut(name, chain, bed);
  const version = /\d+\.\d+(\.\d+)?/.exec(await outputOf(program.command, program.versionArgs))?.[0] ?? '';
  const commands = hops.map((hop) => program.configure(hop));
  const startedMs = performance.now();
  const children: ChildProcess[] = [];
  const port = hops[0]?.listenPort ?? 0;
  const stop = async (): Promise<void> => {
    await Promise.all(children.map(stopChild));
  };
  try {
    // The last one first: a proxy that finds its upstream refusing may wait a second before it tries again.
    for (const [at, hop] of [...hops.entries()].reverse()) {
      children.unshift(spawnPinned(program.command, commands[at] ?? [], hop, bed));
      await ready(() => accepts(hop.listenPort), children);
    }
    await ready(() => answers(port), children);
  } catch (error) {
    await stop();
    const said = hops
      .map((hop) => readFileSync(join(hop.folder, 'stderr'), 'utf8').trim().slice(-600))
      .join('\n');
    throw new Error(`${(error as Error).message}; it said: ${said}`);
  }
  const startMs = performance.now() - startedMs;
  const pids = children.map(({ pid }) => pid ?? 0);
  return { name, version, port, startMs, pids, accessLogs: hops.map(({ accessLog }) => accessLog), stop };
}

async function layOut(name: ContenderName, chain: Chain, bed: Bed): Promise<Hop[]> {
  const sides: Hop['tls'][] = chain === 'single' ? ['none'] : ['originate', 'terminate'];
  const ports = await freePorts(sides.length * 2);
  return sides.map((tls, at) => {
    const folder = join(bed.folder, `${name}-${tls}`);
    mkdirSync(folder, { recursive: true });
    return {
      tls,
      folder,
      accessLog: join(folder, 'access.log'),
      certificates: bed.certificates,
      listenPort: ports[at] ?? 0,
      upstreamPort: at + 1 < sides.length ? (ports[at + 1] ?? 0) : bed.backendPort,
      statsPort: ports[sides.length + at] ?? 0,
    };
  });
}

/** What goes to standard output is haproxy's access log; nobody else says anything there while it runs. */
function spawnPinned(command: string, args: readonly string[], hop: Hop, bed: Bed): ChildProcess {
  const stdout = openSync(command.endsWith('haproxy') ? hop.accessLog : join(hop.folder, 'stdout'), 'a');
  const stderr = openSync(join(hop.folder, 'stderr'), 'a');
  // taskset becomes the program: the pid is the proxy's.
  return spawn('taskset', ['-c', String(bed.proxyCore), command, ...args], {
    stdio: ['ignore', stdout, stderr],
  });
}

/** Until `is` says yes, for as long as the processes live and the deadline allows. */
async function ready(is: () => Promise<boolean>, children: readonly ChildProcess[]): Promise<void> {
  const deadlineMs = performance.now() + startDeadlineMs;
  for (;;) {
    if (await is()) return;
    const dead = children.find(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null);
    if (dead !== undefined) throw new Error(`it ended with ${dead.exitCode ?? dead.signalCode}`);
    if (performance.now() > deadlineMs) throw new Error(`no answer within ${startDeadlineMs} ms`);
    await wait(2);
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = net.connect({ port, host: '127.0.0.1' });
    socket.on('connect', () => {
      socket.destroy();
      done(true);
    });
    socket.on('error', () => done(false));
  });
}

function answers(port: number): Promise<boolean> {
  return new Promise((done) => {
    const request = http.get({ port, host: '127.0.0.1', path: '/small', agent: false, timeout: 1000 });
    request.on('response', (response) => {
      response.resume();
      response.on('end', () => done(response.statusCode === 200));
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => done(false));
    request.on('close', () => done(false));
  });
}

export async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((done) => child.once('exit', done));
  // nginx drains on QUIT and stops on TERM, as the others do.
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), stopDeadlineMs);
  await ended;
  clearTimeout(timer);
}

/** Ports that were free a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = net.createServer();
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}
