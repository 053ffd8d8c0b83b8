/** Functions of libc that the runtime has no call for. Linux only. */
import { isBuiltin } from 'node:module';
import type { Server, Socket } from 'node:net';
import { getSystemErrorName } from 'node:util';

/** Types of `node:ffi`, such as `i32` and `buffer`. */
export interface Signature {
  readonly arguments: readonly string[];
  readonly return: string;
}

/** What is used of `node:ffi`. */
export interface Ffi {
  dlopen(path: string, symbols: object): { readonly functions: Readonly<Record<string, unknown>> };
  getInt32(pointer: bigint, offset: number): number;
  /** Good while the buffer is. */
  getRawPointer(buffer: ArrayBuffer): bigint;
}

const libraries = ['libc.so.6', `libc.musl-${process.arch === 'x64' ? 'x86_64' : 'aarch64'}.so.1`];

/** Whether {@link libcFunction} has anything to offer on this system. */
export function hasLibc(): boolean {
  return process.platform === 'linux' && isBuiltin('node:ffi');
}

/** @throws where the system has no such function. */
export function libcFunction<F>(name: string, signature: Signature): F {
  const ffi = loadFfi();
  let failed: unknown;
  for (const library of libraries) {
    try {
      return quietly(() => ffi.dlopen(library, { [name]: signature })).functions[name] as F;
    } catch (error) {
      failed = error;
    }
  }
  throw failed;
}

export function loadFfi(): Ffi {
  return quietly(() => process.getBuiltinModule('node:ffi') as unknown as Ffi);
}

let errnoLocation: (() => bigint) | undefined;

/** Why the last call failed, as `EPERM`; to be asked at once. */
export function lastFailure(): string {
  errnoLocation ??= libcFunction<() => bigint>('__errno_location', { arguments: [], return: 'pointer' });
  const errno = loadFfi().getInt32(errnoLocation(), 0);
  return errno === 0 ? 'UNKNOWN' : getSystemErrorName(-errno);
}

/**
 * The descriptor of a socket; undefined where it is closed. The one private name of the runtime that is used:
 * there is no other way to it.
 */
export function descriptorOf(socket: Socket | Server): number | undefined {
  const fd = (socket as { readonly _handle?: { readonly fd?: number } })._handle?.fd;
  return fd === undefined || fd < 0 ? undefined : fd;
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
