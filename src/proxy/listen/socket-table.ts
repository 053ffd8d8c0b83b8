/** Listening sockets by address: they outlive the listener that opened them when another takes over. */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { hostPort } from '../cluster/assignment.ts';
import type { Target } from '../cluster/endpoint.ts';

export interface ListeningSocket {
  readonly key: string;
  /** As bound. */
  readonly address: string;
  /** Who gets the next connection. */
  accept: (socket: Socket) => void;
  close(): void;
}

export class SocketTable {
  readonly #open = new Map<string, ListeningSocket>();
  readonly #shared: boolean;

  /** @param shared whether other threads listen on the same ports (`SO_REUSEPORT`). */
  constructor(shared: boolean) {
    this.#shared = shared;
  }

  get(target: Target): ListeningSocket | undefined {
    return this.#open.get(keyOf(target));
  }

  /** Rejects with the system's error where the address cannot be bound. */
  async listen(target: Target, backlog: number, accept: (socket: Socket) => void): Promise<ListeningSocket> {
    const key = keyOf(target);
    const server = createServer({ noDelay: true, allowHalfOpen: true });
    const opened: ListeningSocket = {
      key,
      address: '',
      accept,
      close: () => {
        if (this.#open.get(key) === opened) this.#open.delete(key);
        server.close();
      },
    };
    server.on('connection', (socket) => opened.accept(socket));
    await listening(server, target, backlog, this.#shared);
    (opened as { address: string }).address = addressOf(server);
    if (target.kind !== 'tcp' || target.port !== 0) this.#open.set(key, opened);
    return opened;
  }
}

function keyOf(target: Target): string {
  if (target.kind === 'tcp') return hostPort(target.host, target.port);
  return target.kind === 'pipe' ? target.path : target.listener;
}

function listening(server: Server, target: Target, backlog: number, reusePort: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      server.on('error', () => {});
      resolve();
    });
    if (target.kind === 'tcp') server.listen({ host: target.host, port: target.port, backlog, reusePort });
    else server.listen({ path: target.kind === 'pipe' ? target.path : '', backlog });
  });
}

function addressOf(server: Server): string {
  const address = server.address() as AddressInfo | string | null;
  if (address === null || typeof address === 'string') return address ?? '';
  return hostPort(address.address, address.port);
}
