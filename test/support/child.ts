/** A `heddle` process of a test: what it said, and its end. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import type { TestContext } from 'node:test';
import { eventually } from './eventually.ts';

export interface HeddleChild {
  readonly pid: number;
  /** All it wrote so far. */
  output(): string;
  /** Waits until it wrote something that matches. */
  says(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
  kill(signal: NodeJS.Signals): void;
  /** Resolves to the exit code; null where a signal ended it. */
  readonly ended: Promise<number | null>;
}

const main = resolve(import.meta.dirname, '../../src/app/main.ts');

/** Runs from source; killed when the test ends, if it still runs. */
export function startHeddle(t: Pick<TestContext, 'after'>, args: readonly string[]): HeddleChild {
  return startChild(t, process.execPath, [main, ...args]);
}

/** Any other program, such as a peer. */
export function startChild(
  t: Pick<TestContext, 'after'>,
  program: string,
  args: readonly string[],
): HeddleChild {
  const child: ChildProcess = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1' },
  });
  const written: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => written.push(chunk));
  const output = (): string => Buffer.concat(written).toString('utf8');
  const ended = once(child, 'close').then(([code]) => code as number | null);
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return {
    pid: child.pid ?? -1,
    output,
    says: (pattern, timeoutMs = 60_000) =>
      eventually(
        () => {
          const match = pattern.exec(output());
          if (match === null) throw new Error(`nothing like ${pattern} in:\n${output()}`);
          return match;
        },
        { timeoutMs },
      ),
    kill: (signal) => void child.kill(signal),
    ended,
  };
}
