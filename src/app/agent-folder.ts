/** What an agent keeps in its folder, and where: for the agent, and for those who point others there. */
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, rmdirSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';

export const bootstrapFileNames = {
  envoy: 'envoy-bootstrap.json',
  grpc: 'grpc-bootstrap.json',
} as const;

/** Istio's place for it, below the working folder of a proxy. */
const SOCKET = 'var/run/secrets/workload-spiffe-uds/socket';
/** `sun_path` holds 108 bytes with the closing zero. */
const MAX_SOCKET_PATH_BYTES = 107;

/**
 * Where the agent of `folder` (absolute) serves secrets: Istio's path below it, or, where that is too long
 * for a socket, a folder of this user among the temporary files, the same one each time.
 */
export function agentSocketPath(folder: string): string {
  const path = join(folder, SOCKET);
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES) return path;
  const hash = createHash('sha256').update(folder).digest('hex').slice(0, 16);
  return join(tmpdir(), `heddle-${userInfo().uid}-${hash}`, 'socket');
}

/** Makes the folder of a socket. Throws a plain `Error` where it is there already and is not this user's alone. */
export function makeSocketFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = lstatSync(folder);
  if (uid !== userInfo().uid || (mode & 0o022) !== 0) {
    throw new Error(`${folder} can be written to by others: choose another folder for the socket`);
  }
}

/** Removes the folder that {@link agentSocketPath} chose where Istio's path was too long; it is empty by now. */
export function removeSocketFolder(folder: string, socketPath: string): void {
  if (socketPath !== agentSocketPath(folder) || socketPath === join(folder, SOCKET)) return;
  try {
    rmdirSync(dirname(socketPath));
  } catch {
    // Somebody else's file is in it: not ours to remove.
  }
}
