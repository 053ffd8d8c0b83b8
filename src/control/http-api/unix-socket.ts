/** A server on a Unix socket that only its owner can open, also where a killed process left its socket. */
import { rm } from 'node:fs/promises';
import { connect, type Server } from 'node:net';

/** Rejects with a plain `Error` where a living server has the path. */
export async function listenOnSocket(server: Server, path: string): Promise<void> {
  if (await isAnswered(path)) throw new Error(`another process listens on ${path}: stop it first`);
  await rm(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    // The socket is made inside this call: no moment at which others could open it.
    const before = process.umask(0o177);
    try {
      server.listen({ path }, () => {
        server.off('error', reject);
        resolve();
      });
    } finally {
      process.umask(before);
    }
  });
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false)); // no socket, or nobody behind it
  });
}
