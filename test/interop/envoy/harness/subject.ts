/** One proxy under comparison: a process with the bootstrap, and upstreams of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { eventually } from '../../../support/eventually.ts';
import type { Backend } from '../backend/backend.ts';
import type { Group } from './case.ts';
import { type Certificates, testCertificates } from './certificates.ts';
import { readStats, type Stats } from './statistics.ts';

export interface Subject {
  readonly name: 'heddle' | 'envoy';
  readonly backends: ReadonlyMap<string, Backend>;
  readonly certificates: Certificates;
  readonly folder: string;
  /** By the names of listeners. */
  readonly ports: ReadonlyMap<string, number>;
  admin(path: string, method?: 'GET' | 'POST'): Promise<string>;
  stats(): Promise<Stats>;
  /** Access-log lines so far. */
  log(): string[];
  stop(): Promise<void>;
}

const READY_TIMEOUT_MS = 20_000;
const main = resolve(import.meta.dirname, '../../../../src/app/main.ts');

/** @param envoy path of its program; Heddle runs from source. */
export async function startSubject(
  group: Group,
  name: Subject['name'],
  { folder, envoy }: { readonly folder: string; readonly envoy: string },
): Promise<Subject> {
  const certificates = await testCertificates();
  const started = Object.entries(group.backends).map(
    async ([of, kind]) => [of, await kind(of, testCertificates)] as const,
  );
  const backends = new Map(await Promise.all(started));
  const ports = Object.fromEntries([...backends].map(([of, { port }]) => [of, port]));
  const logFile = join(folder, 'access.log');
  const config = join(folder, 'bootstrap.yaml');
  const places = { ports, certificates };
  const bootstrap = group.bootstrap(places);
  const text = typeof bootstrap === 'string' ? bootstrap : JSON.stringify(bootstrap, undefined, 1);
  writeFileSync(logFile, '');
  writeFileSync(config, text.replaceAll('@LOG@', logFile).replaceAll('@FOLDER@', folder));
  for (const [file, content] of Object.entries(group.files?.(places) ?? {}))
    writeFileSync(join(folder, file), content.replaceAll('@FOLDER@', folder));
  const program = new Program(
    name === 'heddle' ? [process.execPath, main, 'proxy'] : [envoy, ...quiet(group)],
    folder,
  );
  program.start(['-c', config, '--file-flush-interval-msec', '10', ...(group.flags ?? [])]);
  const stop = async (): Promise<void> => {
    await Promise.all([program.end(), ...[...backends.values()].map((backend) => backend.close())]);
  };
  try {
    const listeners = await program.listeners();
    return {
      ...{ name, backends, certificates, folder, ports: listeners, stop },
      admin: (path, method) => program.admin(path, method),
      stats: async () => readStats(await program.admin('/stats')),
      log: () =>
        readFileSync(logFile, 'latin1')
          .split('\n')
          .filter((line) => line !== ''),
    };
  } catch (error) {
    await stop();
    throw new Error(`${name} did not start: ${program.output}`, { cause: error });
  }
}

function quiet({ flags = [] }: Group): string[] {
  return [
    ...(flags.includes('--concurrency') ? [] : ['--concurrency', '1']),
    '--disable-hot-restart',
    ...(flags.includes('-l') ? [] : ['-l', 'error']),
  ];
}

interface ListenersPage {
  readonly listener_statuses?: readonly {
    readonly name: string;
    readonly local_address: { readonly socket_address?: { readonly port_value: number } };
  }[];
}

class Program {
  output = '';
  readonly #command: readonly string[];
  readonly #addressFile: string;
  #child: ChildProcess | undefined;

  constructor(command: readonly string[], folder: string) {
    this.#command = command;
    this.#addressFile = join(folder, 'admin');
  }

  start(args: readonly string[]): void {
    const [program = '', ...before] = this.#command;
    const all = [...before, ...args, '--admin-address-path', this.#addressFile];
    this.#child = spawn(program, all, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on('data', (text) => {
        this.output += String(text);
      });
  }

  async admin(path: string, method: 'GET' | 'POST' = 'GET'): Promise<string> {
    const response = await fetch(`http://${readFileSync(this.#addressFile, 'utf8').trim()}${path}`, {
      method,
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return text;
  }

  /** Resolves to their ports when the proxy is ready. */
  listeners(): Promise<Map<string, number>> {
    return eventually(
      async () => {
        await this.admin('/ready');
        const page = JSON.parse(await this.admin('/listeners?format=json')) as ListenersPage;
        return new Map(
          (page.listener_statuses ?? []).map(({ name, local_address: { socket_address: at } }) => [
            name,
            at?.port_value ?? 0,
          ]),
        );
      },
      { timeoutMs: READY_TIMEOUT_MS, until: () => this.#child?.exitCode !== null },
    );
  }

  async end(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await exit;
  }
}
