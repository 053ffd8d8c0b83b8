/** Where `heddle run` has its join token from. */
import { readSync } from 'node:fs';
import type { RunOptions } from '#cli/command/run.ts';
import { CliError, EXIT_USAGE } from '#cli/exit.ts';
import { joinTokenSource } from '../join-token-source.ts';

/** The variable; neither the application nor anybody else is to inherit it. */
const VARIABLE = 'HEDDLE_TOKEN';
const LF = 10;
/** Longer than any token. */
const MAX_BYTES = 4_096;

/** Undefined where there is none and `--state` may have a certificate. @throws a {@link CliError} where it is needed */
export async function runToken({ token: from, state }: RunOptions): Promise<string | undefined> {
  const variable = process.env[VARIABLE]?.trim();
  delete process.env[VARIABLE];
  const token = from === undefined ? variable : await tokenFrom(from);
  if (token !== undefined && token !== '') return token;
  if (state !== undefined) return undefined;
  const [message, advice] =
    from === undefined
      ? ['a join token is needed', `give --token FILE, or put it into the variable ${VARIABLE}`]
      : [
          `there is no join token in ${from === '-' ? 'the standard input' : from}`,
          'it is removed once read: ask for a new one',
        ];
  throw new CliError(message!, { advice: advice!, exitCode: EXIT_USAGE });
}

function tokenFrom(from: string): Promise<string | undefined> {
  return from === '-' ? Promise.resolve(firstLine()) : joinTokenSource({ tokenFile: from })();
}

/** Byte by byte: what follows is the application's. */
function firstLine(): string {
  const line: number[] = [];
  const byte = Buffer.alloc(1);
  while (line.length < MAX_BYTES && readSync(0, byte) === 1 && byte[0] !== LF) line.push(byte[0]!);
  return Buffer.from(line).toString('utf8').trim();
}
