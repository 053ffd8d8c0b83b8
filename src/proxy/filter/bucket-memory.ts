/**
 * The state of token buckets, which the threads of a process share: a table of 64-bit cells, each found by a
 * hash of the bucket's name and claimed by who asks first.
 */
import type { Word64 } from '#core/word64.ts';
import { hashByteString } from '#core/xxhash64.ts';
import { byteString } from '../findings.ts';

const CELL_WORDS = 2;
const word: Word64 = { hi: 0, lo: 0 };

/** Where one bucket keeps its moment, in nanoseconds. */
export interface BucketCell {
  readonly cells: BigInt64Array;
  readonly at: number;
}

export class BucketMemory {
  readonly #memory: () => ArrayBufferLike;
  #cells: BigInt64Array | undefined;
  /** By how much the monotonic clock of the thread that made the memory is ahead of this thread's. */
  readonly aheadMs: number;

  /** @param memory asked for with the first bucket. */
  constructor(memory: () => ArrayBufferLike, aheadMs: number) {
    this.#memory = memory;
    this.aheadMs = aheadMs;
  }

  /** Room for so many buckets. */
  static bytes(buckets: number): number {
    return buckets * CELL_WORDS * BigInt64Array.BYTES_PER_ELEMENT;
  }

  /** The cell of a name: the same in all threads. One of this thread's own where there is no more room. */
  cellOf(name: string): BucketCell {
    this.#cells ??= new BigInt64Array(this.#memory());
    const cells = this.#cells;
    const buckets = cells.length / CELL_WORDS;
    hashByteString(byteString(name), 0, word);
    const { hi, lo } = word;
    const hash = BigInt.asIntN(64, (BigInt(hi) << 32n) | BigInt(lo)) || 1n;
    for (let probe = 0; probe < buckets; probe++) {
      const at = ((lo + probe) % buckets) * CELL_WORDS;
      const owner = Atomics.compareExchange(cells, at, 0n, hash);
      if (owner === 0n || owner === hash) return { cells, at: at + 1 };
    }
    return { cells: new BigInt64Array(1), at: 0 };
  }
}
