/** All that a program says, while the test goes on serving. */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';

export interface OutputSettings {
  /** What it reads from standard input. */
  readonly input: string;
  /** After which it is killed. */
  readonly timeoutMs: number;
}

/** Standard output, and after it standard error; how it ends is for who reads them. */
export async function output(
  program: string,
  words: readonly string[],
  { input, timeoutMs }: OutputSettings,
): Promise<string> {
  const child = spawn(program, words, { timeout: timeoutMs });
  // It may end before it has read everything.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  return (await Promise.all([text(child.stdout), text(child.stderr)])).join('');
}
