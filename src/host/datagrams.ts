/**
 * Datagrams without an event loop: a thread waits for them in the kernel, takes many by one call and answers them by one
 * other (poll(2), recvmmsg(2), sendmmsg(2)). Linux only.
 */
import { hasLibc, lastFailure, libcFunction, loadFfi } from './libc.ts';

/** Of one datagram that is taken, and of one that is sent: what is longer is cut. */
const DATAGRAM_BYTES = 4096;
/** Datagrams of one call. */
const BATCH = 16;

/** `struct mmsghdr`, `iovec`, the longest `sockaddr` and `pollfd`, as 64-bit Linux has them. */
const HEADER_BYTES = 64;
const VECTOR_BYTES = 16;
const ADDRESS_BYTES = 28;
const ADDRESS_ROOM = 32;
const POLL_BYTES = 8;
/** Places in `struct mmsghdr`. */
const header = { address: 0, addressBytes: 8, vectors: 16, vectorCount: 24, received: 56 } as const;

const MSG_DONTWAIT = 0x40;
const POLLIN = 1;
const EFD_FLAGS = 0o2000000 | 0o4000;

type Many = (fd: number, messages: bigint, count: number, flags: number, timeout?: bigint) => number;

interface Calls {
  readonly poll: (fds: bigint, count: bigint, timeoutMs: number) => number;
  readonly recvmmsg: Many;
  readonly sendmmsg: Many;
  readonly sendto: (
    fd: number,
    bytes: Uint8Array,
    length: bigint,
    flags: number,
    address: Uint8Array,
    addressBytes: number,
  ) => bigint;
  readonly eventfd: (count: number, flags: number) => number;
  readonly read: (fd: number, bytes: Uint8Array, length: bigint) => bigint;
  readonly write: (fd: number, bytes: Uint8Array, length: bigint) => bigint;
}

let loaded: Calls | undefined;

/** Whether there is anything of this on this system. */
export function canTakeDatagrams(): boolean {
  return hasLibc() && (process.arch === 'x64' || process.arch === 'arm64');
}

/** Sends one, or drops it where the system does not take it now. @param to as `DatagramSockets.peer` gave it */
export function sendDatagram(fd: number, bytes: Uint8Array, to: Uint8Array): void {
  calls().sendto(fd, bytes, BigInt(bytes.length), MSG_DONTWAIT, to, to.length);
}

/** A descriptor by which another thread is woken; it belongs to who asked. @throws with the system's code */
export function openDoorbell(): number {
  const fd = calls().eventfd(0, EFD_FLAGS);
  if (fd < 0) throw new Error(`eventfd: ${lastFailure()}`);
  return fd;
}

const RING = new Uint8Array(BigUint64Array.of(1n).buffer);

/** Ends the wait of who waits for `doorbell`, or the next one. */
export function ring(doorbell: number): void {
  calls().write(doorbell, RING, BigInt(RING.length));
}

/** Bound sockets whose datagrams one thread takes and answers. The descriptors belong to who made it. */
export class DatagramSockets {
  readonly #calls = calls();
  readonly #sockets: readonly number[];
  readonly #doorbell: number;
  readonly #rung = new Uint8Array(RING.length);
  readonly #polled: Int32Array;
  readonly #polledAt: bigint;
  readonly #in = new Batch();
  readonly #out = new Batch();
  #replies = 0;

  constructor(sockets: readonly number[], doorbell: number) {
    this.#sockets = sockets;
    this.#doorbell = doorbell;
    const memory = new ArrayBuffer((sockets.length + 1) * POLL_BYTES);
    this.#polled = new Int32Array(memory);
    this.#polledAt = loadFfi().getRawPointer(memory);
    for (const [at, fd] of [doorbell, ...sockets].entries()) {
      this.#polled[at * 2] = fd;
      this.#polled[at * 2 + 1] = POLLIN;
    }
  }

  /** Until there is a datagram, or somebody rings: whether it was that. @param timeoutMs 0: only looks */
  wait(timeoutMs: number): boolean {
    const { poll, read } = this.#calls;
    for (let at = 1; at < this.#polled.length; at += 2) this.#polled[at] = POLLIN;
    poll(this.#polledAt, BigInt(this.#polled.length / 2), timeoutMs);
    const isRung = this.#polled[1]! >>> 16 !== 0;
    if (isRung) read(this.#doorbell, this.#rung, BigInt(RING.length));
    return isRung;
  }

  /** Takes what the last wait has seen at that socket. How many: some may be left. */
  take(socket: number): number {
    if (this.#polled[socket * 2 + 3]! >>> 16 === 0) return 0;
    this.#in.makeRoom();
    return Math.max(0, this.#calls.recvmmsg(this.#sockets[socket]!, this.#in.at, BATCH, MSG_DONTWAIT, 0n));
  }

  /** Of those taken last, which it is good for. */
  message(at: number): Buffer {
    return this.#in.message(at);
  }

  /** Who sent it, as bytes; they belong to who asked. */
  peer(at: number): Uint8Array {
    return this.#in.address(at).slice();
  }

  /** To who sent that message; it waits for {@link send}. */
  reply(at: number, bytes: Uint8Array): void {
    this.#out.put(this.#replies++, bytes, this.#in.address(at));
  }

  /** By the socket that was taken from. What the system does not take is dropped. */
  send(socket: number): void {
    for (let first = 0; first < this.#replies; ) {
      const at = this.#out.at + BigInt(first * HEADER_BYTES);
      const sent = this.#calls.sendmmsg(this.#sockets[socket]!, at, this.#replies - first, MSG_DONTWAIT);
      first += Math.max(1, sent);
    }
    this.#replies = 0;
  }
}

/** Memory as the system takes it for many datagrams. */
class Batch {
  readonly at: bigint;
  readonly #view: DataView;
  readonly #bytes: Buffer;
  readonly #vectors = BATCH * HEADER_BYTES;
  readonly #addresses = this.#vectors + BATCH * VECTOR_BYTES;
  readonly #datagrams = this.#addresses + BATCH * ADDRESS_ROOM;

  constructor() {
    const memory = new ArrayBuffer(this.#datagrams + BATCH * DATAGRAM_BYTES);
    this.at = loadFfi().getRawPointer(memory);
    this.#view = new DataView(memory);
    this.#bytes = Buffer.from(memory);
    for (let i = 0; i < BATCH; i++) {
      const [message, vector] = [i * HEADER_BYTES, this.#vectors + i * VECTOR_BYTES];
      const pointTo = (place: number, to: number): void =>
        this.#view.setBigUint64(place, this.at + BigInt(to), true);
      pointTo(message + header.address, this.#addresses + i * ADDRESS_ROOM);
      pointTo(message + header.vectors, vector);
      this.#view.setBigUint64(message + header.vectorCount, 1n, true);
      pointTo(vector, this.#datagrams + i * DATAGRAM_BYTES);
    }
  }

  /** For any datagram, in each place. */
  makeRoom(): void {
    for (let i = 0; i < BATCH; i++) this.#setLengths(i, ADDRESS_BYTES, DATAGRAM_BYTES);
  }

  message(i: number): Buffer {
    const start = this.#datagrams + i * DATAGRAM_BYTES;
    return this.#bytes.subarray(
      start,
      start + this.#view.getUint32(i * HEADER_BYTES + header.received, true),
    );
  }

  address(i: number): Uint8Array {
    const start = this.#addresses + i * ADDRESS_ROOM;
    return this.#bytes.subarray(
      start,
      start + this.#view.getUint32(i * HEADER_BYTES + header.addressBytes, true),
    );
  }

  put(i: number, bytes: Uint8Array, to: Uint8Array): void {
    this.#bytes.set(bytes, this.#datagrams + i * DATAGRAM_BYTES);
    this.#bytes.set(to, this.#addresses + i * ADDRESS_ROOM);
    this.#setLengths(i, to.length, bytes.length);
  }

  #setLengths(i: number, address: number, datagram: number): void {
    this.#view.setUint32(i * HEADER_BYTES + header.addressBytes, address, true);
    // The upper half of its length is 0 for good.
    this.#view.setUint32(this.#vectors + i * VECTOR_BYTES + 8, datagram, true);
  }
}

function calls(): Calls {
  loaded ??= load();
  return loaded;
}

function load(): Calls {
  // The first failure would lose its number to the search for where that is.
  lastFailure();
  const many = ['i32', 'pointer', 'u32', 'i32'];
  const word = ['i32', 'buffer', 'u64'];
  return {
    poll: libcFunction('poll', { arguments: ['pointer', 'u64', 'i32'], return: 'i32' }),
    recvmmsg: libcFunction('recvmmsg', { arguments: [...many, 'pointer'], return: 'i32' }),
    sendmmsg: libcFunction('sendmmsg', { arguments: many, return: 'i32' }),
    sendto: libcFunction('sendto', { arguments: [...word, 'i32', 'buffer', 'u32'], return: 'i64' }),
    eventfd: libcFunction('eventfd', { arguments: ['u32', 'i32'], return: 'i32' }),
    read: libcFunction('read', { arguments: word, return: 'i64' }),
    write: libcFunction('write', { arguments: word, return: 'i64' }),
  };
}
