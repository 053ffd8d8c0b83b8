/** A header block that comes in several frames (RFC 9113 §4.3), put together. */
import { h2Counter } from './counter.ts';
import { flood, type H2Fault } from './fault.ts';
import { DEFAULT_MAX_FRAME_BYTES } from './frame.ts';

/** Frames that a block may have in any case. */
const FREE_FRAMES = 8;
/** Beyond that a frame must bring so many bytes on average. */
const BYTES_A_FRAME = 1024;

const empty: Buffer = Buffer.alloc(0);

export class HeaderAssembly {
  /** Stream of the block; 0: none is open. */
  streamId = 0;
  endStream = false;
  dependency = -1;
  /** Bytes that are there. */
  length = 0;
  readonly #maxBytes: number;
  readonly #maxFrames: number;
  #bytes: Buffer = empty;
  #frames = 0;

  /** @param maxListBytes what the fields may have, decoded; some more may come before the connection is given up */
  constructor(maxListBytes: number) {
    this.#maxBytes = 2 * maxListBytes + DEFAULT_MAX_FRAME_BYTES;
    this.#maxFrames = FREE_FRAMES + Math.ceil(this.#maxBytes / BYTES_A_FRAME);
  }

  begin(
    streamId: number,
    endStream: boolean,
    dependency: number,
    bytes: Buffer,
    from: number,
    to: number,
  ): H2Fault | undefined {
    this.streamId = streamId;
    this.endStream = endStream;
    this.dependency = dependency;
    this.length = 0;
    this.#frames = 0;
    return this.add(bytes, from, to);
  }

  /** @returns a fault where the block is too large to be kept */
  add(bytes: Buffer, from: number, to: number): H2Fault | undefined {
    const length = this.length + to - from;
    if (length > this.#maxBytes || ++this.#frames > this.#maxFrames) {
      return flood(
        h2Counter.continuationFlood,
        'http2.continuation_flood',
        'a header block has too many bytes or frames',
      );
    }
    if (length > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(
        Math.min(Math.max(length, 2 * this.#bytes.length), this.#maxBytes),
      );
      this.#bytes.copy(grown, 0, 0, this.length);
      this.#bytes = grown;
    }
    bytes.copy(this.#bytes, this.length, from, to);
    this.length = length;
    return undefined;
  }

  /** The block is complete. @returns its bytes, `length` of them; they are not kept */
  finish(): Buffer {
    const bytes = this.#bytes;
    this.#bytes = empty;
    this.streamId = 0;
    return bytes;
  }
}
