/** Opens listening sockets, which outlive the listener that opened them when another takes over. */
import { chmodSync, unlinkSync } from 'node:fs';
import { type AddressInfo, createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { hostPort } from '../cluster/assignment.ts';
import type { BindAddress } from './bind-address.ts';

/** Takes a connection; `path` is that of the Unix socket it came by, '' for none. */
export type Accept = (socket: Socket, path: string) => void;

export interface ListeningSocket {
  /** Equal for addresses that one socket can serve. */
  readonly key: string;
  /** As bound. */
  readonly address: string;
  /** Who gets the next connection. */
  accept: Accept;
  close(): void;
}

export interface SocketOptions {
  readonly backlog: number;
  readonly reusePort: boolean;
  readonly bufferLimitBytes: number | undefined;
  /** Told of connections that could not be accepted. */
  onError(error: Error): void;
}

/** Rejects with the system's error where the address cannot be bound. */
export async function openSocket(
  address: BindAddress,
  { bufferLimitBytes: limit, backlog, reusePort, onError }: SocketOptions,
  accept: Accept,
): Promise<ListeningSocket> {
  const server = createServer({
    noDelay: true,
    allowHalfOpen: true,
    ...(limit === undefined ? {} : { highWaterMark: limit }),
  });
  const path = address.kind === 'pipe' ? address.path : '';
  const opened: ListeningSocket = {
    key: socketKey(address),
    address: '',
    accept,
    close: () => void server.close(),
  };
  server.on('connection', (socket) => opened.accept(socket, path));
  await listening(server, { ...whereOf(address, reusePort), backlog }, onError);
  if (address.kind === 'pipe' && address.mode !== 0) chmodSync(address.path, address.mode);
  (opened as { address: string }).address = path === '' ? addressOf(server) : path;
  return opened;
}

export function socketKey(address: BindAddress): string {
  return address.kind === 'tcp' && address.dualStack ? `${address.text} and IPv4` : address.text;
}

function whereOf(address: BindAddress, reusePort: boolean): ListenOptions {
  if (address.kind === 'tcp') {
    const { host, port, dualStack } = address;
    return { host, port, reusePort, ipv6Only: host.includes(':') && !dualStack };
  }
  if (address.path.startsWith('@')) return { path: `\0${address.path.slice(1)}` };
  // What a process before left there is in the way (Envoy does the same).
  try {
    unlinkSync(address.path);
  } catch {
    // If it matters, binding says why.
  }
  return { path: address.path };
}

function listening(server: Server, options: ListenOptions, onError: (error: Error) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      // A connection that could not be accepted; the socket goes on.
      server.on('error', onError);
      resolve();
    });
    server.listen(options);
  });
}

function addressOf(server: Server): string {
  const { address, port } = server.address() as AddressInfo;
  return hostPort(address, port);
}
