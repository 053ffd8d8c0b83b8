/** Options of sockets that the runtime has no call for (socket(7), ip(7), ipv6(7)). Linux only. */
import type { AddressInfo, Server } from 'node:net';
import { descriptorOf, hasLibc, lastFailure, libcFunction } from './libc.ts';

/** One call of setsockopt(2). */
export interface SocketOption {
  readonly level: number;
  readonly name: number;
  /** An `int` in the order of bytes of this machine, or any other value. */
  readonly value: Uint8Array;
}

type OpenSocket = (domain: number, type: number, protocol: number) => number;
type SetSockOpt = (fd: number, level: number, name: number, value: Uint8Array, length: number) => number;
type Close = (fd: number) => number;

/** Of asm-generic/socket.h. */
export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_MARK = 36;
export const SO_SNDBUF = 7;
/** Of linux/socket.h. */
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
/** Of linux/in.h and linux/in6.h. */
export const SOL_IP = 0;
export const SOL_IPV6 = 41;
const IP_TRANSPARENT = 19;
const IPV6_TRANSPARENT = 75;
/** The value of an option that is only on or off. */
export const ON: Uint8Array = int(1);

/** As C has an `int` on this machine. */
export function int(value: number): Uint8Array {
  return new Uint8Array(Int32Array.of(value).buffer);
}

interface Calls {
  readonly socket: OpenSocket;
  readonly setsockopt: SetSockOpt;
  readonly close: Close;
}

let calls: Calls | undefined;

/** Whether {@link openTcpSocket} and {@link makeTransparent} can be had on this system. */
export function canSetOptions(): boolean {
  return hasLibc();
}

/**
 * A TCP socket that is not connected yet; it belongs to who asked.
 *
 * @throws with the system's `code`: `EMFILE`, `EPERM`, …
 */
export function openTcpSocket(family: 4 | 6, options: readonly SocketOption[]): number {
  return open(SOCK_STREAM, family, options);
}

/** The same for datagrams; it is not bound. */
export function openUdpSocket(family: 4 | 6, options: readonly SocketOption[]): number {
  return open(SOCK_DGRAM, family, options);
}

function open(type: number, family: 4 | 6, options: readonly SocketOption[]): number {
  calls ??= load();
  const fd = calls.socket(family === 4 ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) throw failure('socket');
  return withOptions(fd, options);
}

/** The same descriptor; it is closed where an option cannot be set. @throws with the system's `code` */
export function withOptions(fd: number, options: readonly SocketOption[]): number {
  calls ??= load();
  for (const { level, name, value } of options) {
    if (calls.setsockopt(fd, level, name, value, value.length) === 0) continue;
    const error = failure(`setsockopt(${level}, ${name})`);
    calls.close(fd);
    throw error;
  }
  return fd;
}

/**
 * Lets a listening socket have what the kernel brings it by TPROXY: connections to addresses that this machine does
 * not have. Takes CAP_NET_ADMIN.
 *
 * @throws with the system's `code`
 */
export function makeTransparent(server: Server): void {
  calls ??= load();
  const fd = descriptorOf(server);
  if (fd === undefined) return;
  const isV6 = (server.address() as AddressInfo).family === 'IPv6';
  const [level, name] = isV6 ? [SOL_IPV6, IPV6_TRANSPARENT] : [SOL_IP, IP_TRANSPARENT];
  if (calls.setsockopt(fd, level!, name!, ON, ON.length) !== 0) throw failure('setsockopt(IP_TRANSPARENT)');
}

function failure(what: string): NodeJS.ErrnoException {
  const code = lastFailure();
  return Object.assign(new Error(`${what}: ${code}`), { code });
}

function load(): Calls {
  // The first failure would lose its number to the search for where that is.
  lastFailure();
  return {
    socket: libcFunction('socket', { arguments: ['i32', 'i32', 'i32'], return: 'i32' }),
    setsockopt: libcFunction('setsockopt', {
      arguments: ['i32', 'i32', 'i32', 'buffer', 'i32'],
      return: 'i32',
    }),
    close: libcFunction('close', { arguments: ['i32'], return: 'i32' }),
  };
}
