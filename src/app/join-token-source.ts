/** Where a process reads its join token: a file that is removed once read, or an inherited descriptor. */
import { closeSync, readFileSync, rmSync, statSync } from 'node:fs';
import { CliError } from '#cli/exit.ts';

export interface JoinTokenPlace {
  readonly tokenFile?: string;
  readonly tokenFd?: number;
}

/**
 * Gives the token at the first call. Later calls give what was put into the file meanwhile, and
 * undefined where there is nothing: a descriptor is read once.
 */
export function joinTokenSource({ tokenFile, tokenFd }: JoinTokenPlace): () => Promise<string | undefined> {
  if (tokenFile !== undefined) return async () => tokenFromFile(tokenFile);
  let fd = tokenFd;
  return async () => {
    if (fd === undefined) return undefined;
    const token = textOrUndefined(readFileSync(fd, 'utf8'));
    closeSync(fd);
    fd = undefined;
    return token;
  };
}

/** Throws a {@link CliError} where others can read the file: its token may be in other hands already. */
function tokenFromFile(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  if ((stat.mode & 0o077) !== 0) {
    throw new CliError(`${path} can be read by others`, {
      advice: `Make a new token, with: chmod 600 ${path}`,
    });
  }
  const token = textOrUndefined(readFileSync(path, 'utf8'));
  rmSync(path, { force: true });
  return token;
}

function textOrUndefined(text: string): string | undefined {
  const token = text.trim();
  return token === '' ? undefined : token;
}
