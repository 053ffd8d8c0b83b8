/**
 * Reads of a plain outgoing socket into memory that is used again, instead of new memory for each
 * read: `onread` of `net.connect`, which accepted sockets do not have.
 */
import type { OnReadOpts } from 'node:net';

/** Whose bytes they are. */
export interface ByteTaker {
  /** @returns whether nothing refers to `bytes` any more. */
  onBytes(bytes: Buffer): boolean;
}

/** What is read mostly fits in it. */
const SMALL_BYTES = 16 * 1024;
/** For a connection on which more comes at once. */
const LARGE_BYTES = 128 * 1024;
/** Large buffers that are kept for the next who needs one. */
const MAX_SPARE = 32;
/** Reads in a row that would have fitted into a small one, after which a large one is given back. */
const PATIENCE = 16;

const spareSmall: Buffer[] = [];
const spareLarge: Buffer[] = [];

export class SocketReader {
  /** Set once the connection is made. */
  taker: ByteTaker | undefined;
  readonly onread: OnReadOpts;
  #buffer: Buffer;
  #isFresh = true;
  #large = false;
  #smallReads = 0;
  /** Buffers that are still read from, until {@link SocketReader.settle}. */
  #lent: Buffer[] | undefined;
  #lending = false;

  constructor() {
    this.#buffer = spareSmall.pop() ?? Buffer.allocUnsafeSlow(SMALL_BYTES);
    this.onread = {
      buffer: () => this.#next(),
      callback: (bytes) => this.#onRead(bytes),
    };
  }

  /** Asked for after each read, and once before. */
  #next(): Buffer {
    if (!this.#isFresh) {
      this.#buffer = (this.#large ? spareLarge : spareSmall).pop() ?? allocate(this.#large);
      this.#isFresh = true;
    }
    return this.#buffer;
  }

  #onRead(bytes: number): boolean {
    const buffer = this.#buffer;
    const free = this.taker?.onBytes(bytes === buffer.length ? buffer : buffer.subarray(0, bytes)) ?? false;
    const wasLarge = this.#large;
    if (bytes > SMALL_BYTES / 2) {
      this.#large = this.#large || bytes === buffer.length;
      this.#smallReads = 0;
    } else if (this.#large && ++this.#smallReads > PATIENCE) this.#large = false;
    if (free && this.#large === wasLarge) return true;
    if (!free && this.#lending) {
      this.#lending = false;
      this.#lent ??= [];
      this.#lent.push(buffer);
    }
    // Whoever still refers to the buffer keeps it; else another connection gets it.
    if (free) this.#giveBack(buffer, wasLarge);
    this.#isFresh = false;
    return true;
  }

  /** Said while bytes are taken: they are still referred to, but {@link SocketReader.settle} will come. */
  lend(): void {
    this.#lending = true;
  }

  /** Nothing refers to any bytes that were taken. */
  settle(): void {
    const lent = this.#lent;
    if (lent === undefined) return;
    this.#lent = undefined;
    for (const buffer of lent) this.#giveBack(buffer, buffer.length === LARGE_BYTES);
  }

  /** The socket is closed: what it would have read into is for others. */
  done(): void {
    this.settle();
    if (this.#isFresh) this.#giveBack(this.#buffer, this.#buffer.length === LARGE_BYTES);
    this.#isFresh = false;
  }

  #giveBack(buffer: Buffer, large: boolean): void {
    const spare = large ? spareLarge : spareSmall;
    if (spare.length < MAX_SPARE) spare.push(buffer);
  }
}

function allocate(large: boolean): Buffer {
  return Buffer.allocUnsafeSlow(large ? LARGE_BYTES : SMALL_BYTES);
}
