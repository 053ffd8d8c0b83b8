/** Where programs of administrators are. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Which `PATH` of others may leave out. */
const moreFolders: readonly string[] = ['/usr/sbin', '/sbin', '/usr/local/sbin'];

/** Undefined where there is none that may be run. @param path as the variable `PATH` */
export function programPath(path: string, name: string): string | undefined {
  const folders = [...path.split(delimiter).filter((folder) => folder !== ''), ...moreFolders];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
