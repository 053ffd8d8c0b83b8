/**
 * Files in a folder that change all at once, as a kubelet changes those of a ConfigMap: a reader finds the old ones or
 * the new ones, never some of each. Each is a link by way of `..data`, which is led to another folder in one step.
 */
import { randomUUID } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

export interface SetFile {
  /** Relative to the folder, such as `app.yaml` or `certs/ca.pem`. */
  readonly path: string;
  readonly mode: number;
  readonly bytes: Uint8Array;
}

const DATA = '..data';

/** Makes `files` what the folder has. @param folder is there @throws the system's error */
export function writeFileSet(folder: string, files: readonly SetFile[]): void {
  const before = linkAt(join(folder, DATA));
  const fresh = `..${randomUUID()}`;
  mkdirSync(join(folder, fresh), { mode: 0o755 });
  for (const { path, mode, bytes } of files) {
    const file = join(folder, fresh, path);
    mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
    // Nobody else's before it has its mode, which is to be without what the umask of this process takes away.
    writeFileSync(file, bytes, { mode: 0o600 });
    chmodSync(file, mode);
  }
  symlinkSync(fresh, join(folder, `${DATA}_new`));
  renameSync(join(folder, `${DATA}_new`), join(folder, DATA));
  const names = new Set(files.map(({ path }) => path.split('/')[0]!));
  const shown = new Set(readdirSync(folder).filter((name) => !name.startsWith('..')));
  for (const name of names.difference(shown)) symlinkSync(join(DATA, name), join(folder, name));
  for (const name of shown.difference(names)) rmSync(join(folder, name));
  if (before !== undefined) rmSync(join(folder, before), { recursive: true });
}

function linkAt(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
