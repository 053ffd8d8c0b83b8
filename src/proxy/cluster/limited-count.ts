/**
 * How many of something are under way, against a limit: of this thread alone, or of all threads of the
 * process together, where only atomic counts are exact.
 */

import type { ServingThread } from '../threads/serving-thread.ts';
import type { LimitGauges } from './limit-gauges.ts';

export interface LimitedCount {
  readonly limit: number;
  /** Over all threads. */
  readonly value: number;
  /** One more, unless that would be over the limit. */
  take(): boolean;
  /** One more in any case. */
  force(): void;
  release(): void;
}

/** A limit that may change while it is counted. */
export interface AdjustableCount extends LimitedCount {
  setLimit(limit: number): void;
}

export class OwnCount implements AdjustableCount {
  limit: number;
  readonly #gauges: LimitGauges | undefined;
  value = 0;

  constructor(limit: number, gauges?: LimitGauges) {
    this.limit = limit;
    this.#gauges = gauges;
  }

  take(): boolean {
    if (this.value >= this.limit) return false;
    this.value++;
    this.#gauges?.onTaken(this.value);
    return true;
  }

  setLimit(limit: number): void {
    this.#gauges?.setLimit(limit, this.value);
    this.limit = limit;
  }

  force(): void {
    this.value++;
    this.#gauges?.onTaken(this.value);
  }

  release(): void {
    this.value--;
    this.#gauges?.onReleased(this.value);
  }
}

/**
 * Counts that all threads share: the sums, and behind them each thread's own part, so that what a
 * thread held when it died can be taken out again.
 */
export class SharedCounts {
  readonly #cells: Int32Array;
  readonly #perThread: number;
  readonly #thread: number;

  /** @param thread who counts here. */
  constructor(memory: SharedArrayBuffer, { index, count }: ServingThread) {
    this.#cells = new Int32Array(memory);
    this.#perThread = this.#cells.length / (count + 1);
    this.#thread = index;
  }

  /** Memory for `counts` counts of `threads` threads. */
  static memory(counts: number, threads: number): SharedArrayBuffer {
    return new SharedArrayBuffer(counts * (threads + 1) * Int32Array.BYTES_PER_ELEMENT);
  }

  count(index: number, limit: number, gauges?: LimitGauges): AdjustableCount {
    const own = (this.#thread + 1) * this.#perThread + index;
    return new SharedCount(this.#cells, index, own, limit, gauges);
  }

  /** Takes out what this thread, which is no more, still held. */
  forgetThread(): void {
    for (let i = 0; i < this.#perThread; i++) {
      const own = (this.#thread + 1) * this.#perThread + i;
      Atomics.sub(this.#cells, i, Atomics.exchange(this.#cells, own, 0));
    }
  }
}

class SharedCount implements AdjustableCount {
  limit: number;
  readonly #cells: Int32Array;
  readonly #sum: number;
  readonly #own: number;
  readonly #gauges: LimitGauges | undefined;

  constructor(cells: Int32Array, sum: number, own: number, limit: number, gauges: LimitGauges | undefined) {
    this.limit = limit;
    this.#cells = cells;
    this.#sum = sum;
    this.#own = own;
    this.#gauges = gauges;
  }

  setLimit(limit: number): void {
    this.#gauges?.setLimit(limit, this.value);
    this.limit = limit;
  }

  get value(): number {
    return Atomics.load(this.#cells, this.#sum);
  }

  take(): boolean {
    // Taken first and given back: two threads that look first might both see the last free place.
    const before = Atomics.add(this.#cells, this.#sum, 1);
    if (before >= this.limit) {
      Atomics.sub(this.#cells, this.#sum, 1);
      return false;
    }
    this.#cells[this.#own]! += 1;
    this.#gauges?.onTaken(before + 1);
    return true;
  }

  force(): void {
    const before = Atomics.add(this.#cells, this.#sum, 1);
    this.#cells[this.#own]! += 1;
    this.#gauges?.onTaken(before + 1);
  }

  release(): void {
    const before = Atomics.sub(this.#cells, this.#sum, 1);
    this.#cells[this.#own]! -= 1;
    this.#gauges?.onReleased(before - 1);
  }
}

/** The count at `index` of `shared`; one of this thread alone where nothing is shared. */
export function limitedCount(
  shared: SharedCounts | undefined,
  index: number,
  limit: number,
  gauges?: LimitGauges,
): AdjustableCount {
  return shared?.count(index, limit, gauges) ?? new OwnCount(limit, gauges);
}
