/** `heddle run` in tests: a control plane of its own, and programs that join it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { TestContext } from 'node:test';
import { adminSocketPath } from '#api/admin-socket.ts';
import { requestJoinToken } from '#api/client.ts';
import { eventually } from './eventually.ts';

export type RunTest = Pick<TestContext, 'after'>;

const main = resolve(import.meta.dirname, '../../src/app/main.ts');

export interface RunControl {
  readonly folder: string;
  readonly process: RunChild;
  /** `127.0.0.1:PORT` */
  readonly tlsAddress: string;
  readonly apiUrl: string;
  readonly rootCert: string;
  /** One that has not been used. */
  token(serviceAccount?: string): Promise<string>;
}

export interface ControlSettings {
  readonly documents: string;
  /** Words before the command, such as those that enter a namespace. */
  readonly before?: readonly string[];
  readonly address?: string;
  /** Absent: any free ones. */
  readonly tlsPort?: number;
}

/** @param folder of its own, for all to look into */
export async function startControl(
  t: RunTest,
  folder: string,
  { documents, before = [], address = '127.0.0.1', tlsPort = 0 }: ControlSettings,
): Promise<RunControl> {
  chmodSync(folder, 0o755);
  const files = join(folder, 'mesh');
  mkdirSync(files, { recursive: true });
  writeFileSync(join(files, 'mesh.yaml'), documents);
  const state = join(folder, 'state');
  const process_ = startRunChild(t, [
    ...[...before, process.execPath, main, 'control', files, '--state', state, '--address', address],
    ...['--plaintext-address', '127.0.0.1', '--api-address', '127.0.0.1'],
    ...['--xds-port', '0', '--secure-xds-port', String(tlsPort), '--api-port', '0'],
  ]);
  const [, tls, api] = await process_.says(/control\.started .*tls=(\d+) api=(\d+)/);
  // Programs that join may be somebody else's, who may not look into its state.
  const rootCert = join(state, 'ca', 'root-cert.pem');
  return {
    folder,
    process: process_,
    tlsAddress: `${address}:${tls}`,
    apiUrl: `http://127.0.0.1:${api}`,
    rootCert,
    token: async (serviceAccount = 'default') => {
      const socket = await eventually(() => {
        const path = adminSocketPath(state);
        if (!existsSync(path)) throw new Error(`no ${path}`);
        return path;
      });
      return (await requestJoinToken(socket, { namespace: 'default', serviceAccount, pod: 'any' })).token;
    },
  };
}

export interface RunSettings {
  /** Options of `heddle run`. */
  readonly flags?: readonly string[];
  /** Undefined: a new one. */
  readonly token?: string;
  readonly before?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** All of its standard input; absent: none, or with `asks` as it is sent. */
  readonly input?: string;
  readonly asks?: boolean;
}

/** `heddle run` from source; killed when the test ends, if it still runs. */
export async function startRun(
  t: RunTest,
  control: RunControl,
  command: readonly string[],
  { flags = [], token, before = [], env = {}, ...streams }: RunSettings = {},
): Promise<RunChild> {
  const own = token ?? (await control.token());
  const words = [...before, process.execPath, main, 'run', '--control-plane', control.tlsAddress];
  return startRunChild(
    t,
    [...words, '--root-cert', control.rootCert, '--drain-time-s', '1', ...flags, '--', ...command],
    { env: { ...(own !== '' && { HEDDLE_TOKEN: own }), ...env }, ...streams },
  );
}

/** A program with pipes for its streams. */
export interface RunChild {
  readonly pid: number;
  stdout(): string;
  stderr(): string;
  /** Waits until it wrote something that matches, to either. */
  says(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
  /** A line of its standard input. */
  send(line: string): void;
  kill(signal: NodeJS.Signals): void;
  /** Resolves to the exit code; null where a signal ended it. */
  readonly ended: Promise<number | null>;
}

export function startRunChild(
  t: RunTest,
  [program, ...words]: readonly string[],
  { env = {}, input, asks = false }: Pick<RunSettings, 'env' | 'input' | 'asks'> = {},
): RunChild {
  const child = spawn(program!, words, {
    stdio: [input === undefined && !asks ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1', ...env },
  });
  child.stdin?.on('error', () => {});
  if (!asks) child.stdin?.end(input);
  let [stdout, stderr] = ['', ''];
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = once(child, 'close').then(([code]) => code as number | null);
  let over = false;
  void ended.then(() => (over = true));
  t.after(async () => {
    if (!over) child.kill('SIGTERM');
    const force = setTimeout(() => child.kill('SIGKILL'), 15_000);
    await ended;
    clearTimeout(force);
  });
  return {
    pid: child.pid ?? -1,
    stdout: () => stdout,
    stderr: () => stderr,
    says: (pattern, timeoutMs = 60_000) =>
      eventually(
        () => {
          const match = pattern.exec(`${stdout}\n${stderr}`);
          if (match === null) throw new Error(`nothing like ${pattern} in:\n${stdout}\n${stderr}`);
          return match;
        },
        { timeoutMs, until: () => over && pattern.exec(`${stdout}\n${stderr}`) === null },
      ),
    send: (line) => void child.stdin?.write(`${line}\n`),
    kill: (signal) => void child.kill(signal),
    ended,
  };
}
