/**
 * What all threads know alike of the endpoints of a cluster: a row of numbers for each, in memory that they share.
 * Threads find the row of an endpoint by its key; a row without users goes to the next endpoint that is new.
 */
import { hashByteString } from '#core/xxhash64.ts';
import type { ServingThread } from '../threads/serving-thread.ts';

/** Columns of a row, besides those of each thread. */
export const column = {
  users: 0,
  keyHigh: 1,
  keyLow: 2,
  /** Health of the endpoint but for what its assignment says; see `health.ts`. */
  flags: 3,
  /** Bits of what was found in a row by some thread, and not looked at yet. */
  hits: 4,
  consecutive5xx: 5,
  consecutiveGatewayFailure: 6,
  consecutiveLocalOriginFailure: 7,
  /** Since the last look. */
  external: 8,
  externalGood: 9,
  local: 10,
  localGood: 11,
} as const;

export type Column = keyof typeof column;

const COLUMNS = Object.keys(column).length;
/** Cells before the rows. */
const LOCK = 0;
const ROWS = 1;
/** Whether the first round of active checks is over. */
const CHECKED = 2;
/** Whether anything was ever sent to the cluster. */
const TRAFFIC = 3;
const HEADER = 4;

const FIRST_ROWS = 64;
const MOST_ROWS = 65_536;
const LOCK_WAIT_MS = 1;
/** Who holds the lock longer is no more. */
const LOCK_STEAL_MS = 1000;

export class HostCells {
  readonly #memory: SharedArrayBuffer;
  readonly #cells: Int32Array;
  readonly #width: number;
  readonly #own: number;
  readonly #alone: boolean;

  constructor(memory: SharedArrayBuffer, { index, count }: ServingThread) {
    this.#memory = memory;
    this.#cells = new Int32Array(memory);
    this.#width = COLUMNS + count;
    this.#own = COLUMNS + index;
    this.#alone = count === 1;
  }

  /** For any number of endpoints: it grows. */
  static memory(threads: number): SharedArrayBuffer {
    const bytes = (rows: number): number =>
      (HEADER + rows * (COLUMNS + threads)) * Int32Array.BYTES_PER_ELEMENT;
    return new SharedArrayBuffer(bytes(FIRST_ROWS), { maxByteLength: bytes(MOST_ROWS) });
  }

  /**
   * The row of an endpoint, with this thread as one more of its users.
   *
   * @param flags its health where no thread knows it yet.
   */
  enter(key: string, flags: number): HostRow {
    const hash = { hi: 0, lo: 0 };
    hashByteString(key, 0, hash);
    const high = hash.hi | 0;
    const low = hash.lo | 0;
    this.#lock();
    try {
      const cells = this.#cells;
      const rows = cells[ROWS]!;
      let free = -1;
      for (let row = 0; row < rows; row++) {
        const at = HEADER + row * this.#width;
        if (cells[at]! === 0) free = free === -1 ? at : free;
        else if (cells[at + column.keyHigh] === high && cells[at + column.keyLow] === low) {
          Atomics.add(cells, at, 1);
          return new HostRow(cells, at, this.#width, this.#own);
        }
      }
      const at = free === -1 ? this.#append(rows) : free;
      cells.fill(0, at, at + this.#width);
      cells[at + column.keyHigh] = high;
      cells[at + column.keyLow] = low;
      cells[at + column.flags] = flags;
      Atomics.store(cells, at, 1);
      return new HostRow(cells, at, this.#width, this.#own);
    } finally {
      this.#unlock();
    }
  }

  #append(rows: number): number {
    const at = HEADER + rows * this.#width;
    const end = (at + this.#width) * Int32Array.BYTES_PER_ELEMENT;
    if (end > this.#memory.byteLength) {
      this.#memory.grow(Math.min(this.#memory.maxByteLength, Math.max(end, this.#memory.byteLength * 2)));
    }
    this.#cells[ROWS] = rows + 1;
    return at;
  }

  /** Whether the first round of active checks is over. */
  get checked(): boolean {
    return Atomics.load(this.#cells, CHECKED) === 1;
  }

  markChecked(): void {
    Atomics.store(this.#cells, CHECKED, 1);
  }

  /** Whether anything was ever sent to the cluster. */
  get hasTraffic(): boolean {
    return Atomics.load(this.#cells, TRAFFIC) === 1;
  }

  /** Takes out the connections of this thread, which is no more. */
  forgetThread(): void {
    const cells = this.#cells;
    for (let row = 0; row < cells[ROWS]!; row++) {
      Atomics.store(cells, HEADER + row * this.#width + this.#own, 0);
    }
  }

  #lock(): void {
    if (this.#alone) return;
    const cells = this.#cells;
    const waits = LOCK_STEAL_MS / LOCK_WAIT_MS;
    for (let i = 0; i < waits && Atomics.compareExchange(cells, LOCK, 0, 1) !== 0; i++) {
      Atomics.wait(cells, LOCK, 1, LOCK_WAIT_MS);
    }
  }

  #unlock(): void {
    if (this.#alone) return;
    Atomics.store(this.#cells, LOCK, 0);
    Atomics.notify(this.#cells, LOCK, 1);
  }
}

/** One endpoint. */
export class HostRow {
  readonly #cells: Int32Array;
  readonly #at: number;
  readonly #width: number;
  readonly #own: number;

  constructor(cells: Int32Array, at: number, width: number, own: number) {
    this.#cells = cells;
    this.#at = at;
    this.#width = width;
    this.#own = own;
  }

  get(of: Column): number {
    return Atomics.load(this.#cells, this.#at + column[of]);
  }

  set(of: Column, value: number): void {
    Atomics.store(this.#cells, this.#at + column[of], value);
  }

  /** @returns the sum */
  add(of: Column, by = 1): number {
    return Atomics.add(this.#cells, this.#at + column[of], by) + by;
  }

  /** Sets bits. */
  mark(of: Column, bits: number): void {
    Atomics.or(this.#cells, this.#at + column[of], bits);
  }

  /** @returns what it was before it became 0. */
  take(of: Column): number {
    return Atomics.exchange(this.#cells, this.#at + column[of], 0);
  }

  /** Connections of this thread to the endpoint. */
  setConnections(count: number): void {
    Atomics.store(this.#cells, this.#at + this.#own, count);
    if (count > 0) Atomics.store(this.#cells, TRAFFIC, 1);
  }

  /** Connections of all threads to it. */
  get connections(): number {
    let sum = 0;
    for (let i = COLUMNS; i < this.#width; i++) sum += Atomics.load(this.#cells, this.#at + i);
    return sum;
  }

  /** This thread does not use it any more. */
  leave(): void {
    this.setConnections(0);
    Atomics.sub(this.#cells, this.#at, 1);
  }
}
