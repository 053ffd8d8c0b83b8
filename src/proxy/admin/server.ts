/** The admin interface on a socket, and the small servers beside it. */
import { type AddressInfo, createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { draftOf, putInPlace, removePath } from '../listen/path-socket.ts';
import type { AdminView } from './contract.ts';
import { type Answer, PageConnection } from './page-connection.ts';
import { answerAdmin } from './pages.ts';

/** Where a small server listens: an address and port, or a Unix socket. */
export type ServeAddress = (
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'pipe'; readonly path: string }
) & {
  /** Of a socket that is bound there already. */
  readonly fd?: number | undefined;
};

export interface RunningServer {
  /** `127.0.0.1:15000` as bound, or the path of the socket. */
  readonly address: string;
  readonly server: Server;
  /** @param leavesPath another process listens on the Unix socket */
  close(leavesPath?: boolean): Promise<void>;
}

/** Rejects with the error of the operating system where the address cannot be had. */
export function serveAdmin(
  address: ServeAddress,
  view: AdminView,
  logged: (line: { method: string; target: string; status: number }) => void,
): Promise<RunningServer> {
  return servePages(address, async (method, target, form) => {
    const reply = await answerAdmin(method, target, view, form);
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
  return {
    address: address.kind === 'pipe' ? address.path : boundTo(server),
    server,
    close: (leavesPath = false) =>
      new Promise((resolve) => {
        server.once('close', () => resolve());
        server.close();
        if (!leavesPath && address.kind === 'pipe') removePath(address.path);
        for (const socket of open) socket.destroy();
      }),
  };
}

async function listen(server: Server, address: ServeAddress): Promise<void> {
  const { fd } = address;
  const draft = address.kind === 'pipe' && fd === undefined ? draftOf(address.path) : undefined;
  const where: ListenOptions =
    address.kind === 'tcp' ? { host: address.host, port: address.port } : { path: draft ?? address.path };
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(fd === undefined ? where : { fd }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  if (address.kind === 'pipe' && draft !== undefined) putInPlace(server, draft, address.path, 0o600);
}

function boundTo(server: Server): string {
  const { address, port } = server.address() as AddressInfo;
  return `${hostText(address)}:${port}`;
}

function hostText(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
