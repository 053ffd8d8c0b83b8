/** One short program, run to its end. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

export interface RunResult {
  /** 127 where there is no such program; 128 where a signal ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export async function run(
  [program, ...words]: readonly string[],
  { input = '', env }: { readonly input?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<RunResult> {
  const child = spawn(program!, words, {
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(env !== undefined && { env }),
  });
  // One that does not read its input ends all the same.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const output = Promise.all([text(child.stdout), text(child.stderr)]);
  try {
    const [code] = (await once(child, 'close')) as [number | null];
    const [stdout, stderr] = await output;
    return { code: code ?? 128, stdout, stderr };
  } catch (error) {
    return { code: 127, stdout: '', stderr: (error as Error).message };
  }
}

/** Why it failed, by its own words where it has any. */
export function complaintOf({ code, stderr }: RunResult): string {
  return stderr.trim() || `exit code ${code}`;
}
