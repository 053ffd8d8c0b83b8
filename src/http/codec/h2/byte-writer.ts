/** Bytes on their way out: one growing buffer that frames and header blocks are written into, used again and again. */

const FIRST_BYTES = 1024;
/** A larger buffer is given back by {@link ByteWriter.reset}: one big message must not stay for the life of a connection. */
const KEPT_BYTES = 64 * 1024;

/** `buffer[0..length)` is written; writers put bytes at `length` after {@link reserve} and move it on. */
export class ByteWriter {
  buffer: Buffer;
  length = 0;

  constructor(firstBytes: number = FIRST_BYTES) {
    this.buffer = Buffer.allocUnsafeSlow(firstBytes);
  }

  /** Makes room for `bytes` more. `buffer` may be another one afterwards. */
  reserve(bytes: number): void {
    const needed = this.length + bytes;
    if (needed > this.buffer.length) this.#grow(needed);
  }

  /** Forgets what was written. Whoever got `buffer` must be done with it. */
  reset(): void {
    this.length = 0;
    if (this.buffer.length > KEPT_BYTES) this.buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  }

  #grow(needed: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.buffer.length * 2));
    this.buffer.copy(grown, 0, 0, this.length);
    this.buffer = grown;
  }
}
