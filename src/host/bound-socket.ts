/**
 * A socket that is bound and that another process is to listen on: it is bound here, in our network namespace,
 * and stays bound while that process is away. Linux only.
 */
import { parseIp } from '#core/ip-address.ts';
import { hasLibc, lastFailure, libcFunction } from './libc.ts';
import {
  AF_INET,
  AF_INET6,
  ON,
  openTcpSocket,
  openUdpSocket,
  SO_REUSEADDR,
  SOL_IPV6,
  SOL_SOCKET,
  type SocketOption,
} from './socket-options.ts';

/** Of linux/in6.h. */
const IPV6_V6ONLY = 26;
/** `struct sockaddr_in` and `sockaddr_in6`. */
const SOCKADDR_IN_BYTES = 16;
const SOCKADDR_IN6_BYTES = 28;

type Bind = (fd: number, address: Uint8Array, length: number) => number;
type Listen = (fd: number, backlog: number) => number;
type Close = (fd: number) => number;

interface Calls {
  readonly bind: Bind;
  readonly listen: Listen;
  readonly close: Close;
}

/** As many as the system lets wait (`net.core.somaxconn`). */
const BACKLOG = 65_535;

let calls: Calls | undefined;

/** Whether {@link bindSocket} can be had on this system. */
export function canBindSockets(): boolean {
  return hasLibc();
}

/**
 * A TCP socket. Its descriptor belongs to who asked, who closes it by {@link closeDescriptor}.
 *
 * @param host an IP address
 * @throws with the system's `code`: `EADDRINUSE`, `EACCES`, …
 */
export function bindSocket(host: string, port: number): number {
  return bindTo(host, port, openTcpSocket, [{ level: SOL_SOCKET, name: SO_REUSEADDR, value: ON }]);
}

/**
 * The same, and connections wait in it from now on; two that are only bound may have one address.
 *
 * @throws as {@link bindSocket}
 */
export function bindListeningSocket(host: string, port: number): number {
  const fd = bindSocket(host, port);
  if (calls!.listen(fd, BACKLOG) === 0) return fd;
  const code = lastFailure();
  calls!.close(fd);
  throw Object.assign(new Error(`listen ${host}:${port}: ${code}`), { code });
}

/** The same for datagrams. */
export function bindUdpSocket(host: string, port: number): number {
  return bindTo(host, port, openUdpSocket, []);
}

function bindTo(
  host: string,
  port: number,
  open: typeof openTcpSocket,
  options: readonly SocketOption[],
): number {
  const ip = parseIp(host);
  if (ip === undefined) throw new TypeError(`${host} is no IP address`);
  const isV6 = ip.length === 16;
  const own = isV6 ? [{ level: SOL_IPV6, name: IPV6_V6ONLY, value: ON }] : [];
  calls ??= load();
  const fd = open(isV6 ? 6 : 4, [...options, ...own]);
  const address = socketAddress(ip, port);
  if (calls.bind(fd, address, address.length) === 0) return fd;
  const code = lastFailure();
  calls.close(fd);
  throw Object.assign(new Error(`bind ${host}:${port}: ${code}`), { code });
}

export function closeDescriptor(fd: number): void {
  calls ??= load();
  calls.close(fd);
}

/** As bind(2) takes it: the family in the order of bytes of this machine, the port in that of the network. */
export function socketAddress(ip: readonly number[] | Uint8Array, port: number): Uint8Array {
  const isV6 = ip.length === 16;
  const bytes = new Uint8Array(isV6 ? SOCKADDR_IN6_BYTES : SOCKADDR_IN_BYTES);
  new Uint16Array(bytes.buffer)[0] = isV6 ? AF_INET6 : AF_INET;
  new DataView(bytes.buffer).setUint16(2, port);
  bytes.set(ip, isV6 ? 8 : 4);
  return bytes;
}

function load(): Calls {
  lastFailure();
  return {
    bind: libcFunction('bind', { arguments: ['i32', 'buffer', 'i32'], return: 'i32' }),
    listen: libcFunction('listen', { arguments: ['i32', 'i32'], return: 'i32' }),
    close: libcFunction('close', { arguments: ['i32'], return: 'i32' }),
  };
}
