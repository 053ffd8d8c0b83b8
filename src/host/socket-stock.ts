/**
 * Sockets of another network namespace, for connections to what is there: a process in it (`heddle socket-giver`) keeps
 * a few of them in a channel, so that who needs one does not wait.
 */
import { takeDescriptor } from './descriptor-channel.ts';
import { inheritedSocket } from './inherited-sockets.ts';
import { type SocketOption, withOptions } from './socket-options.ts';

/** What the channel is called among the sockets that a process is handed. */
export const SOCKET_STOCK = 'sockets of the application';

/** A giver that was ended is started anew by then. */
const LONGEST_WAIT_MS = 2_000;

export class SocketStock {
  readonly #channel: number;
  readonly #longestWaitMs: number;

  /** @param channel where a giver puts them; several threads and processes may take from one */
  constructor(channel: number, longestWaitMs: number = LONGEST_WAIT_MS) {
    this.#channel = channel;
    this.#longestWaitMs = longestWaitMs;
  }

  /**
   * A TCP socket that is not connected yet; it belongs to who asked. There are those of IPv4 alone.
   *
   * @throws with the system's `code`: `EAFNOSUPPORT`, `ETIMEDOUT`, `EPIPE` where nobody makes any
   */
  take(family: 4 | 6, options: readonly SocketOption[]): number {
    if (family !== 4) throw Object.assign(new Error('no such socket'), { code: 'EAFNOSUPPORT' });
    return withOptions(takeDescriptor(this.#channel, this.#longestWaitMs), options);
  }
}

let handed: { readonly stock: SocketStock | undefined } | undefined;

/** Of the application that this process stands beside; undefined where both are in one network. */
export function handedSocketStock(): SocketStock | undefined {
  if (handed === undefined) {
    const channel = inheritedSocket(SOCKET_STOCK);
    handed = { stock: channel === undefined ? undefined : new SocketStock(channel) };
  }
  return handed.stock;
}
