/** The admin interface on a socket, and the small servers beside it. */
import { chmodSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { AdminView } from './contract.ts';
import { type Answer, PageConnection } from './page-connection.ts';
import { answerAdmin } from './pages.ts';

/** Where a small server listens: an address and port, or a Unix socket. */
export type ServeAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'pipe'; readonly path: string };

export interface RunningServer {
  /** `127.0.0.1:15000` as bound, or the path of the socket. */
  readonly address: string;
  close(): Promise<void>;
}

/** Rejects with the error of the operating system where the address cannot be had. */
export function serveAdmin(
  address: ServeAddress,
  view: AdminView,
  logged: (line: { method: string; target: string; status: number }) => void,
): Promise<RunningServer> {
  return servePages(address, async (method, target) => {
    const reply = await answerAdmin(method, target, view);
    logged({ method, target, status: reply.status });
    return reply;
  });
}

/** Serves whatever `answer` gives; used for the admin, readiness and metrics ports. */
export async function servePages(address: ServeAddress, answer: Answer): Promise<RunningServer> {
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    new PageConnection(socket, answer);
  });
  await listen(server, address);
  const bound = server.address() as AddressInfo | string;
  return {
    address: typeof bound === 'string' ? bound : `${hostText(bound.address)}:${bound.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

function listen(server: Server, address: ServeAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const listening = (): void => {
      server.off('error', reject);
      if (address.kind === 'pipe') chmodSync(address.path, 0o600);
      resolve();
    };
    if (address.kind === 'tcp') {
      server.listen({ host: address.host, port: address.port }, listening);
      return;
    }
    // What an earlier process left behind.
    rmSync(address.path, { force: true });
    server.listen({ path: address.path }, listening);
  });
}

function hostText(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
