/**
 * A second descriptor of a socket, so that the runtime can be asked to read it in a way it offers only
 * for sockets it opens itself. Linux only.
 */
import type { Server, Socket } from 'node:net';
import { descriptorOf, hasLibc, libcFunction } from './libc.ts';

type Fcntl = (fd: number, command: number, argument: number) => number;

/** linux/fcntl.h: the lowest free descriptor, closed when another program is run. */
const F_DUPFD_CLOEXEC = 1030;
/** Those below belong to the standard streams. */
const LOWEST = 3;

/** Undefined before it was looked for, and where it was not found. */
let fcntl: Fcntl | undefined;
let looked = false;

export function canDuplicateDescriptors(): boolean {
  return hasLibc();
}

/** Belongs to who asked. Undefined where there is none to be had: the system is out of them, or cannot be asked. */
export function duplicateDescriptor(socket: Socket | Server): number | undefined {
  const fd = descriptorOf(socket);
  return fd === undefined ? undefined : duplicateOf(fd);
}

/** As {@link duplicateDescriptor}, of a descriptor. */
export function duplicateOf(fd: number): number | undefined {
  if (!looked) {
    looked = true;
    fcntl = find();
  }
  const duplicate = fcntl?.(fd, F_DUPFD_CLOEXEC, LOWEST) ?? -1;
  return duplicate < 0 ? undefined : duplicate;
}

function find(): Fcntl | undefined {
  try {
    return libcFunction<Fcntl>('fcntl', { arguments: ['i32', 'i32', 'i32'], return: 'i32' });
  } catch {
    return undefined;
  }
}
