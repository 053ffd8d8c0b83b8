/**
 * Where a connection was made to before the kernel redirected it (`SO_ORIGINAL_DST` of netfilter),
 * for IPv4 and IPv6. Linux only; the runtime has no call for it, so libc is asked.
 */
import { isBuiltin } from 'node:module';
import type { Socket } from 'node:net';
import { formatIp } from '#core/ip-address.ts';

export interface Destination {
  readonly ip: string;
  readonly port: number;
}

/** What is used of `node:ffi`. */
interface Ffi {
  dlopen(path: string, symbols: object): { readonly functions: { readonly getsockopt: GetSockOpt } };
}

type GetSockOpt = (fd: number, level: number, name: number, value: Uint8Array, length: Uint8Array) => number;

/** linux/in.h, linux/in6.h, linux/netfilter_ipv4.h: the option has one number in both. */
const SOL_IP = 0;
const SOL_IPV6 = 41;
const SO_ORIGINAL_DST = 80;
/** `struct sockaddr_in6`; that of IPv4 is shorter. */
const SOCKADDR_BYTES = 28;
const AF_INET = 2;
const AF_INET6 = 10;

const libraries = ['libc.so.6', `libc.musl-${process.arch === 'x64' ? 'x86_64' : 'aarch64'}.so.1`];

let getsockopt: GetSockOpt | undefined;

/** Whether {@link originalDestination} can ask this system. */
export function canAskOriginalDestination(): boolean {
  return process.platform === 'linux' && isBuiltin('node:ffi');
}

/**
 * Undefined where the connection was not redirected, or is none of IP.
 *
 * @throws where the system cannot be asked.
 */
export function originalDestination(socket: Socket): Destination | undefined {
  const fd = descriptorOf(socket);
  if (fd === undefined) return undefined;
  getsockopt ??= load();
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

/** The one private name of the runtime that is used: there is no other way to the descriptor. */
function descriptorOf(socket: Socket): number | undefined {
  const fd = (socket as { readonly _handle?: { readonly fd?: number } })._handle?.fd;
  return fd === undefined || fd < 0 ? undefined : fd;
}

function load(): GetSockOpt {
  const ffi = quietly(() => process.getBuiltinModule('node:ffi') as unknown as Ffi);
  let failed: unknown;
  for (const library of libraries) {
    try {
      const symbols = {
        getsockopt: { arguments: ['i32', 'i32', 'i32', 'buffer', 'buffer'], return: 'i32' },
      };
      return ffi.dlopen(library, symbols).functions.getsockopt;
    } catch (error) {
      failed = error;
    }
  }
  throw failed;
}

/** Without the warning that the module is experimental: nobody who reads a log can do anything about it. */
function quietly<T>(run: () => T): T {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return run();
  } finally {
    process.emitWarning = emitWarning;
  }
}
