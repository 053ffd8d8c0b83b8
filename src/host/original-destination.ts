/**
 * Where a connection was made to before the kernel redirected it (`SO_ORIGINAL_DST` of netfilter),
 * for IPv4 and IPv6. Linux only.
 */
import type { Socket } from 'node:net';
import { formatIp } from '#core/ip-address.ts';
import { descriptorOf, hasLibc, libcFunction } from './libc.ts';
import { AF_INET, AF_INET6, SOL_IP, SOL_IPV6 } from './socket-options.ts';

export interface Destination {
  readonly ip: string;
  readonly port: number;
}

type GetSockOpt = (fd: number, level: number, name: number, value: Uint8Array, length: Uint8Array) => number;

/** Of linux/netfilter_ipv4.h; the option of IPv6 has the same number. */
const SO_ORIGINAL_DST = 80;
/** `struct sockaddr_in6`; that of IPv4 is shorter. */
const SOCKADDR_BYTES = 28;

let getsockopt: GetSockOpt | undefined;

/** Whether {@link originalDestination} can ask this system. */
export function canAskOriginalDestination(): boolean {
  return hasLibc();
}

/**
 * Undefined where the connection was not redirected, or is none of IP.
 *
 * @throws where the system cannot be asked.
 */
export function originalDestination(socket: Socket): Destination | undefined {
  const fd = descriptorOf(socket);
  if (fd === undefined) return undefined;
  getsockopt ??= libcFunction<GetSockOpt>('getsockopt', {
    arguments: ['i32', 'i32', 'i32', 'buffer', 'buffer'],
    return: 'i32',
  });
  // A socket for both versions has IPv4 connections under IPv4-mapped addresses.
  const isV6 = socket.localFamily === 'IPv6' && !(socket.localAddress ?? '').startsWith('::ffff:');
  const value = Buffer.alloc(SOCKADDR_BYTES);
  const length = Buffer.from(new Uint32Array([SOCKADDR_BYTES]).buffer);
  if (getsockopt(fd, isV6 ? SOL_IPV6 : SOL_IP, SO_ORIGINAL_DST, value, length) !== 0) return undefined;
  const family = new Uint16Array(value.buffer, value.byteOffset, 1)[0];
  const port = value.readUInt16BE(2);
  if (family === AF_INET) return { ip: formatIp([...value.subarray(4, 8)]), port };
  if (family === AF_INET6) return { ip: formatIp([...value.subarray(8, 24)]), port };
  return undefined;
}
