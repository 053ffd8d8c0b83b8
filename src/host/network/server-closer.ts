/** The end of a server and of what it has accepted. */
import type { Server, Socket } from 'node:net';

/** Gives what closes `server`, to be called before it listens: closing it alone waits for its connections to end. */
export function serverCloser(server: Server): () => Promise<void> {
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    socket.on('error', () => socket.destroy());
  });
  return () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of open) socket.destroy();
    return closed;
  };
}
