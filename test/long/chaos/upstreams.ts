/** The upstreams of a run, each a process that can be killed, stopped and told to misbehave. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Scenario, UpstreamFault } from './scenario.ts';
import type { Order } from './upstream.ts';

const program = join(import.meta.dirname, 'upstream.ts');

export class Upstream {
  readonly host: string;
  #port = 0;
  readonly #protocol: string;
  #child: ChildProcess | undefined;

  constructor(host: string, protocol: string) {
    this.host = host;
    this.#protocol = protocol;
  }

  get port(): number {
    return this.#port;
  }

  /** Listens on `port`, or where it did before; 0: on any. */
  async start(port: number = this.#port): Promise<void> {
    const child = fork(program, [this.host, String(port), this.#protocol], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#child = child;
    const [bound] = (await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(() => Promise.reject(new Error('an upstream did not start'))),
    ])) as [number];
    this.#port = bound;
  }

  async obey(fault: UpstreamFault | undefined): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const order: Order = fault === undefined ? {} : { fault };
    const done = once(child, 'message');
    child.send(order);
    await done;
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(name);
  }
}

/** Those found by DNS have one port and an address each; the others have any port of 127.0.0.1. */
export async function startUpstreams({ backends, protocol, discovery }: Scenario): Promise<Upstream[]> {
  const hosts = Array.from({ length: backends }, (_, at) =>
    discovery === 'dns' ? `127.0.0.${at + 2}` : '127.0.0.1',
  );
  const upstreams = hosts.map((host) => new Upstream(host, protocol));
  try {
    if (discovery === 'dns') {
      await upstreams[0]?.start();
      await Promise.all(upstreams.slice(1).map((upstream) => upstream.start(upstreams[0]?.port)));
    } else {
      await Promise.all(upstreams.map((upstream) => upstream.start()));
    }
  } catch (error) {
    await Promise.all(upstreams.map((upstream) => upstream.kill()));
    throw error;
  }
  return upstreams;
}
