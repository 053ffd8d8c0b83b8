/** Questions by datagram: one datagram, one question, one reply. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import type { Logger } from '#observe/log.ts';
import type { DnsListener, ListenAddress } from './dns-server.ts';
import { datagramBytes } from './reply.ts';
import type { Responder } from './responder.ts';

/** What waits while this thread is busy with something else; the system may give less. */
const RECEIVE_BUFFER_BYTES = 1 << 20;

/** Rejects where the address cannot be bound. */
export async function listenUdp(
  { address, port, fd }: ListenAddress,
  responder: Responder,
  log: Logger,
): Promise<DnsListener> {
  // An address of IPv6 takes no IPv4 besides: 0.0.0.0 may be another one of ours.
  const socket = createSocket({
    type: isIPv6(address) ? 'udp6' : 'udp4',
    ipv6Only: isIPv6(address),
    recvBufferSize: RECEIVE_BUFFER_BYTES,
    // Peers are addresses: Node would look each up, a turn of its queue later.
    lookup: (host, _options, found) => found(null, host, isIPv6(host) ? 6 : 4),
  });
  const listening = once(socket, 'listening');
  socket.bind(fd === undefined ? { address, port } : { fd });
  await listening;
  let isClosed = false;
  socket.on('error', (error) => log.warn('dns.socket', { address, error: error.message }));
  socket.on('message', (bytes, { address: peer, port: peerPort }) => {
    responder.answer(bytes, {
      maxBytes: datagramBytes,
      reply(reply): void {
        // A client that is gone is no news.
        if (!isClosed) socket.send(reply, peerPort, peer, () => {});
      },
      ignored(): void {},
    });
  });
  return {
    port: socket.address().port,
    async close(): Promise<void> {
      isClosed = true;
      const closed = once(socket, 'close');
      socket.close();
      await closed;
    },
  };
}
