/** One proxy under comparison: a process with the bootstrap, and upstreams of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../../support/eventually.ts';
import { type Backend, startBackend } from './backend.ts';

export interface Subject {
  readonly backend: Backend;
  /** Port of a listener of the bootstrap. */
  port(listener: string): number;
  /** Text of an admin page. */
  admin(path: string): Promise<string>;
  /** Access-log lines so far. */
  log(): string[];
  /** What the process wrote. */
  output(): string;
  stop(): Promise<void>;
}

export interface SubjectOptions {
  readonly folder: string;
  readonly template: string;
  /** Program and arguments before those all proxies share. */
  readonly command: readonly [string, ...string[]];
}

const READY_TIMEOUT_MS = 20_000;

export async function startSubject({ folder, template, command }: SubjectOptions): Promise<Subject> {
  const backend = await startBackend('a');
  const second = await startBackend('b');
  const logFile = join(folder, 'access.log');
  const addressFile = join(folder, 'admin');
  const config = join(folder, 'bootstrap.yaml');
  writeFileSync(logFile, '');
  writeFileSync(
    config,
    template
      .replaceAll('65001', String(backend.port))
      .replaceAll('65002', String(second.port))
      .replaceAll('@LOG@', logFile),
  );
  const [program, ...before] = command;
  const args = [
    ...before,
    '-c',
    config,
    '--admin-address-path',
    addressFile,
    '--file-flush-interval-msec',
    '50',
  ];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += String(text)));

  const adminPage = async (path: string): Promise<string> => {
    const response = await fetch(`http://${readFileSync(addressFile, 'utf8').trim()}${path}`);
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return response.text();
  };
  const stop = async (): Promise<void> => {
    await Promise.all([ended(child), backend.close(), second.close()]);
  };
  try {
    const ports = await eventually(
      async () => {
        if (child.exitCode !== null) return undefined;
        await adminPage('/ready');
        return portsIn(await adminPage('/listeners?format=json'));
      },
      { timeoutMs: READY_TIMEOUT_MS },
    );
    if (ports === undefined) throw new Error(`ended with ${child.exitCode}`);
    return {
      backend,
      port: (listener) => ports.get(listener) ?? 0,
      admin: adminPage,
      log: () =>
        readFileSync(logFile, 'latin1')
          .split('\n')
          .filter((line) => line !== ''),
      output: () => output,
      stop,
    };
  } catch (error) {
    await stop();
    throw new Error(`${program} did not start: ${output}`, { cause: error });
  }
}

interface ListenersPage {
  readonly listener_statuses: readonly {
    readonly name: string;
    readonly local_address: { readonly socket_address: { readonly port_value: number } };
  }[];
}

function portsIn(page: string): Map<string, number> {
  const { listener_statuses: listeners } = JSON.parse(page) as ListenersPage;
  return new Map(listeners.map(({ name, local_address }) => [name, local_address.socket_address.port_value]));
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await exit;
}
