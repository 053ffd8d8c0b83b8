/** Sockets that the kernel knows to be the proxy's own: what they send is not redirected to the proxy again. */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { SIDECAR_MARK } from '#host/network/sidecar-mark.ts';
import {
  openTcpSocket,
  openUdpSocket,
  SO_MARK,
  SOL_SOCKET,
  type SocketOption,
} from '#host/socket-options.ts';
import type { UpstreamSockets } from '#names/exchange.ts';

const mark: readonly SocketOption[] = [
  { level: SOL_SOCKET, name: SO_MARK, value: new Uint8Array(new Int32Array([SIDECAR_MARK]).buffer) },
];

/** Linux only, with CAP_NET_ADMIN; without it they throw the system's error. */
export const markedSockets: UpstreamSockets = {
  datagram(family) {
    const fd = openUdpSocket(family, mark);
    return createSocket(`udp${family}`).bind({ fd });
  },
  stream: ({ address, port }) =>
    connect({
      host: address,
      port,
      noDelay: true,
      ...{ fd: openTcpSocket(address.includes(':') ? 6 : 4, mark) },
    }),
};
