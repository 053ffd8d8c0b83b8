/**
 * A lock held by a living process: a file that names its holder. A lock whose holder has ended is
 * taken over, so that nothing has to be cleaned up by hand after a crash.
 */
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { identifyProcess, isAlive, type ProcessIdentity } from './process-identity.ts';

export interface LockHolder extends ProcessIdentity {
  /** What the holder wants others to know, such as the name of its mesh. */
  readonly note: string;
}

/** A held lock. */
export interface HeldLock {
  readonly ok: true;
  /** Gives it back; once is enough. */
  release(): void;
}

const unknownHolder: LockHolder = { pid: 0, startTime: '', note: '' };

/** Takes the lock, or says who has it. The folder is made when it is not there. */
export function takeLock(
  path: string,
  note: string,
): HeldLock | { readonly ok: false; readonly holder: LockHolder } {
  mkdirSync(dirname(path), { recursive: true });
  const self = identifyProcess(process.pid);
  if (self === undefined) throw new Error(`cannot read the start time of process ${process.pid}`);
  const text = JSON.stringify({ ...self, note } satisfies LockHolder);
  // Written whole under a name of its own, then linked: nobody ever reads half a lock.
  const draft = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  writeFileSync(draft, text, { flag: 'wx', mode: 0o644 });
  try {
    for (;;) {
      if (linkNew(draft, path)) return { ok: true, release: () => releaseLock(path, text) };
      const holder = readHolder(path);
      if (holder !== undefined && isAlive(holder)) return { ok: false, holder };
      // In a folder for all users, such as /tmp, only its owner may take it away.
      if (!removeStale(path, `${draft}.stale`)) return { ok: false, holder: holder ?? unknownHolder };
    }
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Who holds the lock now, or undefined when it is free. */
export function lockHolder(path: string): LockHolder | undefined {
  const holder = readHolder(path);
  return holder !== undefined && isAlive(holder) ? holder : undefined;
}

function linkNew(draft: string, path: string): boolean {
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Renames before it removes: of two that found the same stale lock, one may meet the other's fresh one, and puts it back.
 *
 * @returns false where that is not for this user to do
 */
function removeStale(path: string, aside: string): boolean {
  try {
    renameSync(path, aside);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return true;
    if (code === 'EPERM' || code === 'EACCES') return false;
    throw error;
  }
  const moved = readHolder(aside);
  if (moved !== undefined && isAlive(moved)) linkNew(aside, path);
  rmSync(aside, { force: true });
  return true;
}

function releaseLock(path: string, text: string): void {
  try {
    if (readFileSync(path, 'utf8') === text) rmSync(path, { force: true });
  } catch {
    // Somebody removed it, or its folder: then it is free.
  }
}

function readHolder(path: string): LockHolder | undefined {
  try {
    const value = JSON.parse(readFileSync(path, 'utf8')) as Partial<LockHolder>;
    if (typeof value.pid !== 'number' || typeof value.startTime !== 'string') return undefined;
    return { pid: value.pid, startTime: value.startTime, note: String(value.note ?? '') };
  } catch {
    return undefined;
  }
}
