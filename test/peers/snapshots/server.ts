/** The management server of `main.go` as a process of a test: snapshots in, what the proxy said of them out. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import { tempDir } from '../../support/temp-dir.ts';

/** By type URLs. A type whose resources change has another version. */
export type ForeignSnapshot = Readonly<
  Record<string, { readonly version: string; readonly items: readonly unknown[] }>
>;

export interface ForeignEvent {
  readonly event: 'listening' | 'open' | 'sent' | 'ack' | 'nack';
  readonly type?: string;
  readonly error?: string;
}

export interface ForeignServer {
  readonly port: number;
  /** All that was said so far. */
  readonly events: readonly ForeignEvent[];
  push(snapshot: ForeignSnapshot): void;
}

/** The first build compiles Envoy's whole API. */
const buildTimeoutMs = 280_000;

export async function buildForeignServer(t: TestContext, go: string): Promise<string> {
  const program = join(tempDir(t), 'snapshots');
  await promisify(execFile)(go, ['build', '-mod=readonly', '-o', program, '.'], {
    cwd: import.meta.dirname,
    timeout: buildTimeoutMs,
  });
  return program;
}

export async function startForeignServer(t: TestContext, program: string): Promise<ForeignServer> {
  const child = spawn(program, { stdio: ['pipe', 'pipe', 'inherit'] });
  const gone = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await gone;
  });
  const events: ForeignEvent[] = [];
  const lines = createInterface(child.stdout);
  const first = once(lines, 'line');
  lines.on('line', (line) => events.push(JSON.parse(line) as ForeignEvent));
  await Promise.race([first, gone.then(() => Promise.reject(new Error('the server has ended')))]);
  return {
    port: Number(events[0]?.type?.split(':')[1]),
    events,
    push: (snapshot) => void child.stdin.write(`${JSON.stringify(snapshot)}\n`),
  };
}
