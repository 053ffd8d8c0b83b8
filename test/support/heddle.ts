/** A real `heddle up` for a test: its own state folder and network, stopped when the test ends. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { type MeshState, readMeshState } from '#cli/mesh-state.ts';
import { isAlive } from '#host/process-identity.ts';
import { eventually } from './eventually.ts';
import { tempDir } from './temp-dir.ts';

const main = join(import.meta.dirname, '../../src/app/main.ts');

export interface HeddleOptions {
  /** Absent: never. */
  readonly capture?: 'auto' | 'always' | 'never';
  /** Default: a new folder. */
  readonly stateDirectory?: string;
  /** More words after the paths. */
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

interface TestHooks {
  after(fn: () => void | Promise<void>): void;
}

export interface RunningHeddle {
  readonly process: ChildProcess;
  readonly stateDirectory: string;
  /** What it wrote so far. */
  stdout(): string;
  stderr(): string;
  /** As `mesh.json` has it now. */
  state(): MeshState;
  /** Resolves when the start table was printed; rejects with what it wrote when it ends or takes too long. */
  up(timeoutMs?: number): Promise<MeshState>;
  /** Resolves to the exit code. */
  readonly ended: Promise<number>;
  /** SIGINT, and the end in order; fails when a process is left. */
  stop(): Promise<number>;
}

/** The mesh's own network is leased, the ingress port chosen by the system. */
export function startHeddle(
  t: TestHooks,
  paths: readonly string[],
  options: HeddleOptions = {},
): RunningHeddle {
  const stateDirectory = options.stateDirectory ?? join(tempDir(t), 'state');
  const words = [
    'up',
    ...paths,
    '--state',
    stateDirectory,
    '--ingress-port',
    '0',
    '--capture',
    options.capture ?? 'never',
    ...(options.flags ?? []),
  ];
  const process_ = spawn(process.execPath, [main, ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
  });
  const written = { stdout: '', stderr: '' };
  process_.stdout.on('data', (chunk: Buffer) => {
    written.stdout += chunk.toString();
  });
  process_.stderr.on('data', (chunk: Buffer) => {
    written.stderr += chunk.toString();
  });
  const ended = new Promise<number>((resolve) => process_.once('exit', (code) => resolve(code ?? -1)));
  const running = (): boolean => process_.exitCode === null && process_.signalCode === null;
  const heddle: RunningHeddle = {
    process: process_,
    stateDirectory,
    ended,
    stdout: () => written.stdout,
    stderr: () => written.stderr,
    state(): MeshState {
      const state = readMeshState(stateDirectory);
      assert.ok(state !== undefined, 'no mesh.json');
      return state;
    },
    async up(timeoutMs = 30_000): Promise<MeshState> {
      await eventually(
        () => {
          const said = `${written.stderr}\n${written.stdout}`;
          if (!running()) throw new Error(`heddle up has ended:\n${said}`);
          assert.ok(written.stdout.includes('is up'), `heddle up is not up:\n${said}`);
        },
        { timeoutMs, until: () => !running() },
      );
      return heddle.state();
    },
    async stop(): Promise<number> {
      const started = readMeshState(stateDirectory)?.processes ?? [];
      process_.kill('SIGINT');
      const code = await ended;
      const left = started.filter((one) => isAlive(one)).map(({ name }) => name);
      assert.deepEqual(left, [], 'processes left behind');
      return code;
    },
  };
  t.after(async () => {
    if (!running()) return;
    process_.kill('SIGINT');
    const force = setTimeout(() => process_.kill('SIGINT'), 10_000);
    await ended;
    clearTimeout(force);
  });
  return heddle;
}
