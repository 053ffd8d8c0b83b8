/**
 * What a child writes goes straight into its file, without passing through the runner: a busy
 * application costs the runner nothing, and a stuck runner never stalls an application.
 */
import { copyFileSync, mkdirSync, openSync, statSync, truncateSync } from 'node:fs';
import { dirname } from 'node:path';

/** A file may grow to this, and its predecessor `.1` is kept beside it. */
export const LOG_BOUND_BYTES: number = 16 * 1024 * 1024;

/** Opens the file for a child's stdout and stderr; the caller closes the descriptor after the spawn. */
export function openLog(path: string): number {
  mkdirSync(dirname(path), { recursive: true });
  return openSync(path, 'a', 0o600);
}

/**
 * Keeps a file within the bound: what is there is copied to `.1`, and the file starts again empty.
 * Writers append, so they need not be told. A line written between the two steps is lost.
 */
export function boundLog(path: string, boundBytes: number = LOG_BOUND_BYTES): void {
  try {
    if (statSync(path).size <= boundBytes) return;
    copyFileSync(path, `${path}.1`);
    truncateSync(path, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
