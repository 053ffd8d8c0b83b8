/** Questions by datagram: one datagram, one question, one reply. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import type { Logger } from '#observe/log.ts';
import type { DnsListener, ListenAddress } from './dns-server.ts';
import type { ThreadMeans } from './question-thread.ts';
import { datagramBytes } from './reply.ts';
import type { ResolverAddress } from './resolver-list.ts';
import type { Responder } from './responder.ts';

/** What waits while this thread is busy with something else; the system may give less. */
const RECEIVE_BUFFER_BYTES = 1 << 20;

/** One whose socket can be left to another thread. */
export interface HeldUdpListener extends DnsListener {
  /** Its socket, as long as it is not closed. */
  readonly fd: number;
  isClosed(): boolean;
  /** Takes no datagrams from now on. */
  leave(): void;
  /** Takes them again. @param fd another descriptor of its socket, which is its own then */
  comeBack(fd: number): void;
}

/** Rejects where the address cannot be bound. */
export async function listenUdp(
  where: ListenAddress,
  responder: Responder,
  log: Logger,
): Promise<DnsListener> {
  const open = new OpenSocket(where, { responder, log, noticed() {}, late() {} });
  await open.listening;
  return { port: open.port, close: () => open.close() };
}

/**
 * Listens on a socket that is bound already, and is its own from now on.
 * @param noticed called at every datagram
 */
export async function listenHeldUdp(
  { fd, ...where }: ListenAddress & { readonly fd: number },
  use: Pick<SocketUse, 'responder' | 'log' | 'noticed'>,
  means: Pick<ThreadMeans, 'duplicate' | 'close' | 'send'>,
): Promise<HeldUdpListener> {
  let closed = false;
  // What was asked of upstreams when it left.
  const late = (reply: Buffer, peer: ResolverAddress): void => {
    if (!closed) means.send(fd, reply, peer);
  };
  const open = (own: number): OpenSocket => new OpenSocket({ ...where, fd: own }, { ...use, late });
  const first = means.duplicate(fd);
  if (first === undefined) throw new Error(`no descriptor is left to listen on ${where.address}`);
  let socket: OpenSocket | undefined = open(first);
  await socket.listening;
  return {
    port: socket.port,
    fd,
    isClosed: () => closed,
    leave(): void {
      void socket?.close();
      socket = undefined;
    },
    comeBack(own): void {
      socket = open(own);
      socket.listening.catch((error: unknown) =>
        use.log.error('dns.socket', { address: where.address, error: (error as Error).message }),
      );
    },
    async close(): Promise<void> {
      closed = true;
      await socket?.close();
      means.close(fd);
    },
  };
}

interface SocketUse {
  readonly responder: Responder;
  readonly log: Logger;
  /** A datagram has come. */
  noticed(): void;
  /** A reply is there after the socket was closed. */
  late(reply: Buffer, peer: ResolverAddress): void;
}

class OpenSocket {
  /** Rejects where it cannot be bound. */
  readonly listening: Promise<unknown>;
  readonly #socket: Socket;
  #isClosed = false;

  constructor({ address, port, fd }: ListenAddress, { responder, log, noticed, late }: SocketUse) {
    // An address of IPv6 takes no IPv4 besides: 0.0.0.0 may be another one of ours.
    const socket = createSocket({
      type: isIPv6(address) ? 'udp6' : 'udp4',
      ipv6Only: isIPv6(address),
      recvBufferSize: RECEIVE_BUFFER_BYTES,
      // Peers are addresses: Node would look each up, a turn of its queue later.
      lookup: (host, _options, found) => found(null, host, isIPv6(host) ? 6 : 4),
    });
    this.#socket = socket;
    this.listening = once(socket, 'listening').then(() =>
      socket.on('error', (error) => log.warn('dns.socket', { address, error: error.message })),
    );
    socket.bind(fd === undefined ? { address, port } : { fd });
    socket.on('message', (bytes, { address: peer, port: peerPort }) => {
      noticed();
      responder.answer(bytes, {
        maxBytes: datagramBytes,
        reply: (reply) => {
          if (this.#isClosed) late(reply, { address: peer, port: peerPort });
          // A client that is gone is no news.
          else socket.send(reply, peerPort, peer, () => {});
        },
        ignored(): void {},
      });
    });
  }

  get port(): number {
    return this.#socket.address().port;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const closed = once(this.#socket, 'close');
    this.#socket.close();
    await closed;
  }
}
