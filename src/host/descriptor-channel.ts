/**
 * Descriptors on their way from one process to another, by a pair of Unix sockets (unix(7), SCM_RIGHTS): who makes a
 * socket in a network namespace need not be who uses it. Calls do not go by the event loop. Linux only.
 */
import { type Ffi, hasLibc, lastFailure, libcFunction, loadFfi } from './libc.ts';
import { AF_UNIX, SOL_SOCKET } from './socket-options.ts';

type SocketPair = (domain: number, type: number, protocol: number, pair: Int32Array) => number;
type Message = (fd: number, header: Uint8Array, flags: number) => number | bigint;
type Poll = (fds: Uint8Array, count: number | bigint, timeoutMs: number) => number;

/** Of bits/socket.h: one message is read as it was written, and an end is heard by the other. */
const SOCK_SEQPACKET = 5;
const SOCK_CLOEXEC = 0o2000000;
const SCM_RIGHTS = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
const POLLIN = 1;

/** `struct msghdr`, `iovec`, and `cmsghdr` with one descriptor, of 64-bit systems. */
const HEADER_BYTES = 56;
const CONTROL_BYTES = 24;
const CONTROL_USED_BYTES = 20n;

interface Calls {
  readonly ffi: Ffi;
  readonly socketpair: SocketPair;
  readonly sendmsg: Message;
  readonly recvmsg: Message;
  readonly poll: Poll;
}

let calls: Calls | undefined;

/** Whether there can be any on this system. */
export function canPassDescriptors(): boolean {
  return hasLibc();
}

/** Both ends; they belong to who asked. @throws with the system's `code` */
export function openDescriptorChannel(): readonly [giver: number, taker: number] {
  calls ??= load();
  const pair = new Int32Array(2);
  if (calls.socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) !== 0) throw failure('socketpair');
  return [pair[0]!, pair[1]!];
}

/**
 * Waits, with everything else in this thread, while as many are under way as the system lets there be (`SO_SNDBUF`).
 * The descriptor stays open here.
 *
 * @throws with the system's `code`: `EPIPE` where nobody is left to take it
 */
export function giveDescriptor(channel: number, fd: number): void {
  calls ??= load();
  const { header, control } = message(calls.ffi);
  control.setBigUint64(0, CONTROL_USED_BYTES, true);
  control.setInt32(8, SOL_SOCKET, true);
  control.setInt32(12, SCM_RIGHTS, true);
  control.setInt32(16, fd, true);
  while (Number(calls.sendmsg(channel, header, MSG_NOSIGNAL)) < 0) {
    const error = failure('sendmsg');
    if (error.code !== 'EINTR') throw error;
  }
}

/**
 * The next one, which belongs to who asked. Waits for it, with everything else in this thread.
 *
 * @throws with the system's `code`: `ETIMEDOUT` where none has come, `EPIPE` where none will
 */
export function takeDescriptor(channel: number, timeoutMs: number): number {
  calls ??= load();
  const { header, control } = message(calls.ffi);
  const take = (): number => Number(calls!.recvmsg(channel, header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
  let read = take();
  if (read < 0 && isReadable(channel, timeoutMs)) read = take();
  if (read < 0) throw coded('recvmsg', 'ETIMEDOUT');
  const fd = control.getInt32(16, true);
  if (read === 0 || control.getInt32(12, true) !== SCM_RIGHTS) throw coded('recvmsg', 'EPIPE');
  return fd;
}

function isReadable(fd: number, timeoutMs: number): boolean {
  const asked = new ArrayBuffer(8);
  const view = new DataView(asked);
  view.setInt32(0, fd, true);
  view.setInt16(4, POLLIN, true);
  return calls!.poll(new Uint8Array(asked), 1n, timeoutMs) > 0;
}

/** A header for one byte and one descriptor, and where the latter stands in it. */
function message(ffi: Ffi): { readonly header: Uint8Array; readonly control: DataView } {
  const [data, control, vector, header] = [1, CONTROL_BYTES, 16, HEADER_BYTES].map(
    (bytes) => new ArrayBuffer(bytes),
  ) as [ArrayBuffer, ArrayBuffer, ArrayBuffer, ArrayBuffer];
  const words = new BigUint64Array(vector);
  words[0] = ffi.getRawPointer(data);
  words[1] = 1n;
  const fields = new BigUint64Array(header);
  fields[2] = ffi.getRawPointer(vector);
  fields[3] = 1n;
  fields[4] = ffi.getRawPointer(control);
  fields[5] = BigInt(CONTROL_BYTES);
  // What it points to lives as long as it does.
  return { header: Object.assign(new Uint8Array(header), { data, vector }), control: new DataView(control) };
}

function failure(what: string): NodeJS.ErrnoException {
  return coded(what, lastFailure());
}

function coded(what: string, code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${what}: ${code}`), { code });
}

function load(): Calls {
  // The first failure would lose its number to the search for where that is.
  lastFailure();
  const of = ['i32', 'buffer', 'i32'] as const;
  return {
    ffi: loadFfi(),
    socketpair: libcFunction('socketpair', { arguments: ['i32', 'i32', 'i32', 'buffer'], return: 'i32' }),
    sendmsg: libcFunction('sendmsg', { arguments: of, return: 'i64' }),
    recvmsg: libcFunction('recvmsg', { arguments: of, return: 'i64' }),
    poll: libcFunction('poll', { arguments: ['buffer', 'u64', 'i32'], return: 'i32' }),
  };
}
