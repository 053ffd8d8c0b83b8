/** `heddle proxy` as a process of its own, told apart from others by its admin address. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { TestContext } from 'node:test';
import { eventually } from './eventually.ts';
import { tempDir } from './temp-dir.ts';

const program = resolve(import.meta.dirname, '../../src/app/main.ts');

export interface ProxyChild {
  readonly child: ChildProcess;
  /** Resolves to the exit code; null where a signal ended it. */
  readonly ended: Promise<number | null>;
  /** All it wrote. */
  output(): string;
  /** Answer of an admin page. */
  admin(path: string, method?: 'GET' | 'POST'): Promise<Response>;
  /** Port of the listener of that name. */
  port(listener: string): Promise<number>;
}

export interface ProxyChildOptions {
  /** What runs `heddle`; absent: the source. */
  readonly command?: readonly [string, ...string[]];
  readonly flags?: readonly string[];
  /** How many files it may have open; absent: as many as this process. */
  readonly openFiles?: number;
  /** Besides this process's own. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** The source of the program, run with flags of Node. */
export function sourceCommand(...nodeFlags: string[]): [string, ...string[]] {
  return [process.execPath, ...nodeFlags, program];
}

/** Starts it with `bootstrap` as its file; killed when the test ends, if it has not ended before. */
export function startProxyChild(
  t: Pick<TestContext, 'after'>,
  bootstrap: string,
  { command = sourceCommand(), flags = [], openFiles, environment }: ProxyChildOptions = {},
): ProxyChild {
  const folder = tempDir(t);
  const config = join(folder, 'bootstrap.yaml');
  const addressFile = join(folder, 'admin');
  writeFileSync(config, bootstrap);
  const words = [...command, 'proxy', '-c', config, '--admin-address-path', addressFile, ...flags];
  const [first, ...others] =
    openFiles === undefined ? words : ['sh', '-c', `ulimit -n ${openFiles} && exec "$0" "$@"`, ...words];
  const child = spawn(first!, others, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
    // Paths that a bootstrap names without a folder are its own.
    cwd: folder,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += String(text)));
  const ended = new Promise<number | null>((done) => child.once('close', (code) => done(code)));
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const admin = async (path: string, method: 'GET' | 'POST' = 'GET'): Promise<Response> => {
    const address = await eventually(() => {
      if (child.exitCode !== null) return '';
      const written = readFileSync(addressFile, 'utf8');
      if (written === '') throw new Error('no admin address yet');
      return written;
    });
    if (address === '') throw new Error(`ended with ${child.exitCode}: ${output}`);
    return fetch(`http://${address}${path}`, { method });
  };
  return {
    child,
    ended,
    output: () => output,
    admin,
    port: (listener) =>
      eventually(async () => {
        const page = await (await admin('/listeners')).text();
        const found = new RegExp(`^${listener}::.*:(\\d+)$`, 'm').exec(page)?.[1];
        if (found === undefined) throw new Error(`listener ${listener} is not there: ${page}`);
        return Number(found);
      }),
  };
}
