/**
 * A second descriptor of a socket, so that the runtime can be asked to read it in a way it offers only
 * for sockets it opens itself. Linux only; the runtime has no call for it, so libc is asked.
 */
import { isBuiltin } from 'node:module';
import type { Socket } from 'node:net';

type Fcntl = (fd: number, command: number, argument: number) => number;

/** What is used of `node:ffi`. */
interface Ffi {
  dlopen(path: string, symbols: object): { readonly functions: { readonly fcntl: Fcntl } };
}

/** linux/fcntl.h: the lowest free descriptor, closed when another program is run. */
const F_DUPFD_CLOEXEC = 1030;
/** Those below belong to the standard streams. */
const LOWEST = 3;

const libraries = ['libc.so.6', `libc.musl-${process.arch === 'x64' ? 'x86_64' : 'aarch64'}.so.1`];

/** Undefined before it was looked for, and where it was not found. */
let fcntl: Fcntl | undefined;
let looked = false;

export function canDuplicateDescriptors(): boolean {
  return process.platform === 'linux' && isBuiltin('node:ffi');
}

/** Belongs to who asked. Undefined where there is none to be had: the system is out of them, or cannot be asked. */
export function duplicateDescriptor(socket: Socket): number | undefined {
  // The one private name of the runtime that is used: there is no other way to the descriptor.
  const fd = (socket as { readonly _handle?: { readonly fd?: number } })._handle?.fd;
  if (fd === undefined || fd < 0) return undefined;
  if (!looked) {
    looked = true;
    fcntl = load();
  }
  const duplicate = fcntl?.(fd, F_DUPFD_CLOEXEC, LOWEST) ?? -1;
  return duplicate < 0 ? undefined : duplicate;
}

function load(): Fcntl | undefined {
  const { emitWarning } = process;
  // Without the warning that the module is experimental: no reader of a log can do anything about it.
  process.emitWarning = () => {};
  try {
    const ffi = process.getBuiltinModule('node:ffi') as unknown as Ffi;
    const symbols = { fcntl: { arguments: ['i32', 'i32', 'i32'], return: 'i32' } };
    for (const library of libraries) {
      try {
        return ffi.dlopen(library, symbols).functions.fcntl;
      } catch {
        // The other one, perhaps.
      }
    }
    return undefined;
  } finally {
    process.emitWarning = emitWarning;
  }
}
