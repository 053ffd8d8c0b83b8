/** `--pid-file`: which process serves, for a supervisor. After a hot restart it is another one. */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';

/** @throws the system's error */
export function writePidFile(path: string | undefined): void {
  if (path === undefined) return;
  const written = `${path}.${process.pid}`;
  writeFileSync(written, `${process.pid}\n`);
  renameSync(written, path);
}

/** Where it still names this process. */
export function removePidFile(path: string | undefined): void {
  if (path !== undefined && readPidFile(path) === process.pid) rmSync(path, { force: true });
}

/** Undefined where there is none. */
export function readPidFile(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, 'utf8'));
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}
