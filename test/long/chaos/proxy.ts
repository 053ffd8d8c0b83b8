/** A proxy of a run, as a process with the bootstrap of the scenario. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../../support/eventually.ts';

export const proxyNames = ['envoy', 'heddle'] as const;
export type ProxyName = (typeof proxyNames)[number];

/** What starts a proxy, with the arguments before those that both take. */
export type Command = readonly [program: string, ...args: string[]];

export interface RunningProxy {
  readonly port: number;
  /** What it said, if it is over. */
  over(): string | undefined;
  stop(): Promise<void>;
}

interface ListenersPage {
  readonly listener_statuses?: readonly {
    readonly local_address: { readonly socket_address?: { readonly port_value: number } };
  }[];
}

/** Resolves when its listener is there. @param bootstrap JSON */
export async function startProxy(command: Command, folder: string, bootstrap: string): Promise<RunningProxy> {
  const config = join(folder, 'bootstrap.json');
  const addressFile = join(folder, 'admin');
  writeFileSync(config, bootstrap);
  const [program, ...args] = command;
  const child = spawn(program, [...args, '-c', config, '--admin-address-path', addressFile], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text) => {
      said = `${said}${String(text)}`.slice(-4000);
    });
  const over = (): string | undefined =>
    child.exitCode === null && child.signalCode === null ? undefined : said;
  try {
    const port = await eventually(
      async () => {
        const admin = `http://${readFileSync(addressFile, 'utf8').trim()}`;
        if (!(await fetch(`${admin}/ready`)).ok) throw new Error('not ready');
        const page = (await (await fetch(`${admin}/listeners?format=json`)).json()) as ListenersPage;
        const found = page.listener_statuses?.[0]?.local_address.socket_address?.port_value;
        if (found === undefined) throw new Error('no listener yet');
        return found;
      },
      { until: () => over() !== undefined },
    );
    return { port, over, stop: () => end(child) };
  } catch (error) {
    await end(child);
    throw new Error(`it did not start: ${said}`, { cause: error });
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}
