/**
 * Reads of a plain outgoing socket into memory that is used again, instead of new memory for each
 * read: `onread` of `net.connect`, which accepted sockets do not have.
 */
import type { OnReadOpts } from 'node:net';
import { bytesOfSize, giveBuffer, largestSize, takeBuffer } from './read-buffers.ts';

/** Whose bytes they are. */
export interface ByteTaker {
  /** @returns whether nothing refers to `bytes` any more. */
  onBytes(bytes: Buffer): boolean;
}

/** Reads in a row that would have fitted into a smaller buffer, after which one is taken. */
const PATIENCE = 16;
/** Reads in a row that filled a buffer of this size, after which a larger one is taken. */
const FULL_READS: readonly number[] = [1, 8];
/** What one read takes at most, where nobody says more. */
const MAX_BYTES = 128 * 1024;

export class SocketReader {
  /** Set once the connection is made. */
  taker: ByteTaker | undefined;
  readonly onread: OnReadOpts;
  readonly #maxSize: number;
  #size = 0;
  #buffer: Buffer;
  #isFresh = true;
  #fullReads = 0;
  #smallReads = 0;
  /** Buffers that are still read from, until {@link SocketReader.settle}. */
  #lent: Buffer[] | undefined;
  #lending = false;

  /** @param maxBytes what one read takes at most, 16 KiB and up. */
  constructor(maxBytes: number = MAX_BYTES) {
    this.#maxSize = largestSize(maxBytes);
    this.#buffer = takeBuffer(0);
    this.onread = {
      buffer: () => this.#next(),
      callback: (bytes) => this.#onRead(bytes),
    };
  }

  /** Asked for after each read, and once before. */
  #next(): Buffer {
    if (!this.#isFresh) {
      this.#buffer = takeBuffer(this.#size);
      this.#isFresh = true;
    }
    return this.#buffer;
  }

  #onRead(bytes: number): boolean {
    const buffer = this.#buffer;
    const free = this.taker?.onBytes(bytes === buffer.length ? buffer : buffer.subarray(0, bytes)) ?? false;
    const before = this.#size;
    this.#learn(bytes, buffer.length);
    if (free && this.#size === before) return true;
    if (!free && this.#lending) {
      this.#lending = false;
      this.#lent ??= [];
      this.#lent.push(buffer);
    }
    // Whoever still refers to the buffer keeps it; else another connection gets it.
    if (free) giveBuffer(buffer);
    this.#isFresh = false;
    return true;
  }

  /** The size of the next buffer, from how much came. */
  #learn(bytes: number, room: number): void {
    const size = this.#size;
    if (bytes === room) {
      this.#smallReads = 0;
      if (size < this.#maxSize && ++this.#fullReads >= FULL_READS[size]!) {
        this.#size++;
        this.#fullReads = 0;
      }
      return;
    }
    this.#fullReads = 0;
    if (size === 0) return;
    if (bytes > bytesOfSize(size - 1) / 2) this.#smallReads = 0;
    else if (++this.#smallReads > PATIENCE) {
      this.#size--;
      this.#smallReads = 0;
    }
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
    for (const buffer of lent) giveBuffer(buffer);
  }

  /** The socket is closed: what it would have read into is for others. */
  done(): void {
    this.settle();
    if (this.#isFresh) giveBuffer(this.#buffer);
    this.#isFresh = false;
  }
}
