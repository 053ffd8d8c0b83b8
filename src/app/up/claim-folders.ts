/** The folders of PersistentVolumeClaims. They stay when a Pod goes, and when the mesh ends. */
import { chmodSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

export class ClaimFolders {
  readonly path: string;

  constructor(stateDirectory: string) {
    this.path = join(stateDirectory, 'claims');
  }

  /** Absolute. It is empty where there was none. */
  make(namespace: string, name: string): string {
    const folder = this.#folderOf(namespace, name);
    mkdirSync(join(this.path, namespace), { recursive: true, mode: 0o700 });
    if (madeNew(folder)) {
      // Where it is mounted, an application that gives up being root may write too.
      chmodSync(folder, 0o777);
    }
    return folder;
  }

  /** With everything that is in it. */
  remove(namespace: string, name: string): void {
    rmSync(this.#folderOf(namespace, name), { recursive: true, force: true, maxRetries: 3 });
  }

  /** Whether anything is kept. */
  get areThere(): boolean {
    try {
      return readdirSync(this.path).some((namespace) => readdirSync(join(this.path, namespace)).length > 0);
    } catch {
      return false;
    }
  }

  #folderOf(namespace: string, name: string): string {
    return join(this.path, namespace, name);
  }
}

function madeNew(folder: string): boolean {
  try {
    mkdirSync(folder);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
