/**
 * Unix sockets at paths. A server removes the name that it was bound to when it closes; so that is another one, in whose
 * place the path is put. It may then stay for another process, and what was there before is replaced at once.
 */
import { chmodSync, existsSync, renameSync, rmSync } from 'node:fs';
import type { Server } from 'node:net';

/** What stands for the last character of a path: `sun_path` may be full. */
const standIns = ['~', '#', '%', '+', '='];

/** The name to bind a server to that is to listen at a path. */
export function draftOf(path: string): string {
  const names = standIns.map((last) => path.slice(0, -1) + last).filter((name) => name !== path);
  return names.find((name) => !existsSync(name)) ?? names[0]!;
}

/** @param mode 0: as the system made it. @throws the system's error; the server is closed then */
export function putInPlace(server: Server, draft: string, path: string, mode: number): void {
  try {
    if (mode !== 0) chmodSync(draft, mode);
    renameSync(draft, path);
  } catch (error) {
    server.close();
    throw error;
  }
}

export function removePath(path: string): void {
  rmSync(path, { force: true });
}
