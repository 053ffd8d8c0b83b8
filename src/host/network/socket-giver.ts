/** What makes sockets in a network namespace for others: some that are bound, then any number that are to be connected. */
import { bindSocket, bindUdpSocket, closeDescriptor } from '../bound-socket.ts';
import { giveDescriptor } from '../descriptor-channel.ts';
import { int, openTcpSocket, SO_SNDBUF, SOL_SOCKET, withOptions } from '../socket-options.ts';

export interface BoundAddress {
  readonly kind: 'stream' | 'datagram';
  readonly host: string;
  readonly port: number;
}

/** Room for some thirty sockets under way. */
const CHANNEL_BYTES = 12_288;

/** In their order. @throws with the system's `code` */
export function giveBoundSockets(channel: number, addresses: readonly BoundAddress[]): void {
  for (const { kind, host, port } of addresses) {
    const bind = kind === 'stream' ? bindSocket : bindUdpSocket;
    give(channel, bind(host, port));
  }
}

/**
 * Does not return, and does nothing else: whenever one is taken it makes another.
 *
 * @throws with the system's `code`; `EPIPE` where nobody is left to take any
 */
export function giveSockets(channel: number): never {
  withOptions(channel, [{ level: SOL_SOCKET, name: SO_SNDBUF, value: int(CHANNEL_BYTES) }]);
  for (;;) give(channel, openTcpSocket(4, []));
}

function give(channel: number, fd: number): void {
  try {
    giveDescriptor(channel, fd);
  } finally {
    closeDescriptor(fd);
  }
}
