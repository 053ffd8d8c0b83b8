/** Processes of a run: pinned, found ready, stopped. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, openSync, readFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

const startDeadlineMs = 20_000;
const stopDeadlineMs = 5_000;

export interface PinnedProcess {
  readonly command: string;
  readonly args: readonly string[];
  /** Such as `1` or `0,1`. */
  readonly cores: string;
  /** Gets `stdout` and `stderr`. */
  readonly folder: string;
  /** Where standard output goes instead. */
  readonly stdout?: string;
}

export function spawnPinned(process: PinnedProcess): ChildProcess {
  const { command, args, cores, folder } = process;
  const stdout = openSync(process.stdout ?? join(folder, 'stdout'), 'a');
  const stderr = openSync(join(folder, 'stderr'), 'a');
  // taskset becomes the program: the pid is the program's.
  return spawn('taskset', ['-c', cores, command, ...args], { stdio: ['ignore', stdout, stderr] });
}

/** The last that a process of that folder said; empty where there was none. */
export function lastWords(folder: string): string {
  const file = join(folder, 'stderr');
  return existsSync(file) ? readFileSync(file, 'utf8').trim().slice(-600) : '';
}

/** Until `is` says yes, for as long as the processes live and the deadline allows. */
export async function ready(is: () => Promise<boolean>, children: readonly ChildProcess[]): Promise<void> {
  const deadlineMs = performance.now() + startDeadlineMs;
  for (;;) {
    if (await is()) return;
    const dead = children.find(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null);
    if (dead !== undefined) throw new Error(`it ended with ${dead.exitCode ?? dead.signalCode}`);
    if (performance.now() > deadlineMs) throw new Error(`no answer within ${startDeadlineMs} ms`);
    await wait(2);
  }
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
