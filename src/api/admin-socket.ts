/** Where the control plane's admin socket is: in the state folder, which only its owner can enter. */
import { join, relative } from 'node:path';

/** `sun_path` holds 108 bytes with the closing zero. */
const MAX_SOCKET_PATH_BYTES = 107;

/**
 * The path to listen on and to connect to, relative to the working folder where that is shorter.
 * Throws a plain `Error` that says what to do where the system has no room for it.
 */
export function adminSocketPath(stateFolder: string): string {
  const absolute = join(stateFolder, 'admin.sock');
  const shorter = relative(process.cwd(), absolute);
  const path = shorter.length < absolute.length ? shorter : absolute;
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
    throw new Error(`${absolute} is too long for a Unix socket: choose a state folder with a shorter path`);
  }
  return path;
}
