/** Where and how a gRPC connection is made: plain or TLS, to an address, a name or a Unix socket. */
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type PeerCertificate } from 'node:tls';

export interface ChannelTls {
  /** Absent: the server is not verified. */
  readonly rootPem?: string;
  readonly certificateChainPem?: string;
  readonly privateKeyPem?: string;
  /** Sent as SNI, and what the certificate must name unless `verifyPeer` is given. */
  readonly serverName?: string;
  /** Takes the place of the check of the host name; its error refuses the server. */
  readonly verifyPeer?: (certificate: PeerCertificate) => Error | undefined;
}

/** Where to connect now; asked for each connection. */
export interface ChannelTarget {
  /** A gRPC name, such as `ipv4:127.0.0.1:15010`, `unix:/run/sds` or `dns:///control:15010`. */
  readonly uri: string;
  /** Absent: plaintext. */
  readonly tls?: ChannelTls;
}

/**
 * Begins to connect; `secureConnect` (TLS) or `connect` follows on the socket, or `error`.
 * @throws Error for a name of no known form
 */
export function openChannel({ uri, tls }: ChannelTarget): { socket: Socket; ready: string } {
  const address = addressOf(uri);
  if (tls === undefined) return { socket: connect({ ...address, noDelay: true }), ready: 'connect' };
  const { rootPem, certificateChainPem, privateKeyPem, serverName, verifyPeer } = tls;
  const socket = connectTls({
    ...address,
    ALPNProtocols: ['h2'],
    ...(rootPem === undefined ? { rejectUnauthorized: false } : { ca: rootPem }),
    ...(certificateChainPem === undefined ? {} : { cert: certificateChainPem, key: privateKeyPem }),
    ...(serverName === undefined ? {} : { servername: serverName }),
    ...(verifyPeer === undefined
      ? {}
      : { checkServerIdentity: (_host, certificate) => verifyPeer(certificate) }),
  });
  socket.setNoDelay(true);
  return { socket, ready: 'secureConnect' };
}

function addressOf(uri: string): { path: string } | { host: string; port: number } {
  if (uri.startsWith('unix:')) return { path: uri.slice('unix:'.length) };
  const match = /^(?:ipv4:|ipv6:|dns:\/\/\/|dns:)?(?:\[([^\]]+)\]|([^:/]+)):(\d+)$/.exec(uri);
  if (match === null) throw new Error(`"${uri}" names no gRPC server: write HOST:PORT or unix:PATH`);
  return { host: match[1] ?? match[2]!, port: Number(match[3]) };
}
