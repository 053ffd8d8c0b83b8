/** Opens listening sockets, which outlive the listener that opened them when another takes over. */

import { type AddressInfo, createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { hostPort } from '#core/ip-address.ts';
import type { BindAddress } from './bind-address.ts';
import { draftOf, putInPlace, removePath } from './path-socket.ts';

/** Takes a connection; `path` is that of the Unix socket it came by, '' for none. */
export type Accept = (socket: Socket, path: string) => void;

export interface ListeningSocket {
  /** Equal for addresses that one socket can serve. */
  readonly key: string;
  /** As bound. */
  readonly address: string;
  /** Who gets the next connection. */
  accept: Accept;
  /** As {@link OpenSocket} has it. */
  readonly handedAs: string;
  /** What it is made of, for options that are set while it is open. */
  readonly server: Server;
  /** From now on a path stays where it is closed. */
  leavePath(): void;
  close(): void;
}

export interface SocketOptions {
  readonly handedAs: string;
  readonly backlog: number;
  readonly reusePort: boolean;
  readonly bufferLimitBytes: number | undefined;
  /** Of a socket that is bound already, which now belongs to us; undefined where none is. */
  readonly inherited: number | undefined;
  /** Told of connections that could not be accepted. */
  onError(error: Error): void;
}

/** Rejects with the system's error where the address cannot be bound. */
export async function openSocket(
  address: BindAddress,
  { handedAs, bufferLimitBytes: limit, backlog, reusePort, inherited, onError }: SocketOptions,
  accept: Accept,
): Promise<ListeningSocket> {
  const server = createServer({
    noDelay: true,
    allowHalfOpen: true,
    ...(limit === undefined ? {} : { highWaterMark: limit }),
  });
  const path = address.kind === 'pipe' ? address.path : '';
  const draft = path === '' || path.startsWith('@') || inherited !== undefined ? undefined : draftOf(path);
  let ownsPath = path !== '' && !path.startsWith('@');
  const opened: ListeningSocket = {
    key: socketKey(address),
    address: '',
    accept,
    handedAs,
    server,
    leavePath: () => {
      ownsPath = false;
    },
    close: () => {
      server.close();
      if (ownsPath) removePath(path);
      ownsPath = false;
    },
  };
  server.on('connection', (socket) => opened.accept(socket, path));
  const where = inherited === undefined ? whereOf(address, draft, reusePort) : { fd: inherited };
  await listening(server, { ...where, backlog }, onError);
  if (draft !== undefined) putInPlace(server, draft, path, address.kind === 'pipe' ? address.mode : 0);
  (opened as { address: string }).address = path === '' ? addressOf(server) : path;
  return opened;
}

export function socketKey(address: BindAddress): string {
  return address.kind === 'tcp' && address.dualStack ? `${address.text} and IPv4` : address.text;
}

function whereOf(address: BindAddress, draft: string | undefined, reusePort: boolean): ListenOptions {
  if (address.kind === 'tcp') {
    const { host, port, dualStack } = address;
    return { host, port, reusePort, ipv6Only: host.includes(':') && !dualStack };
  }
  return { path: draft ?? `\0${address.path.slice(1)}` };
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
