/** The points of a hash ring while it is made: 64-bit words with owners, put in order in linear time. */
import type { Word64 } from '#core/word64.ts';

export interface SortedPoints {
  readonly hi: Uint32Array;
  readonly lo: Uint32Array;
  readonly owner: Uint32Array;
}

/** Bits of the high half that one pass sorts by. */
const DIGIT_BITS = 11;
const DIGITS = 1 << DIGIT_BITS;

export class RingPoints {
  count = 0;
  readonly #hi: Uint32Array;
  readonly #lo: Uint32Array;
  readonly #owner: Uint32Array;

  /** @param capacity how many points there will be at most. */
  constructor(capacity: number) {
    this.#hi = new Uint32Array(capacity);
    this.#lo = new Uint32Array(capacity);
    this.#owner = new Uint32Array(capacity);
  }

  add({ hi, lo }: Word64, owner: number): void {
    this.#hi[this.count] = hi;
    this.#lo[this.count] = lo;
    this.#owner[this.count++] = owner;
  }

  sorted(): SortedPoints {
    const order = this.#orderByHigh();
    this.#settleTies(order);
    return {
      hi: order.map((at) => this.#hi[at]!),
      lo: order.map((at) => this.#lo[at]!),
      owner: order.map((at) => this.#owner[at]!),
    };
  }

  /** Radix sort, lowest digit first. */
  #orderByHigh(): Uint32Array {
    const { count } = this;
    let from: Uint32Array = Uint32Array.from({ length: count }, (_, i) => i);
    let to = new Uint32Array(count);
    for (let shift = 0; shift < 32; shift += DIGIT_BITS) {
      const starts = new Uint32Array(DIGITS + 1);
      const digitOf = (at: number): number => (this.#hi[at]! >>> shift) & (DIGITS - 1);
      for (const at of from) starts[digitOf(at) + 1]!++;
      for (let digit = 1; digit < DIGITS; digit++) starts[digit]! += starts[digit - 1]!;
      for (const at of from) to[starts[digitOf(at)]!++] = at;
      [from, to] = [to, from as Uint32Array<ArrayBuffer>];
    }
    return from;
  }

  /** Equal high halves are rare, and few in a row. */
  #settleTies(order: Uint32Array): void {
    const hi = this.#hi;
    const lo = this.#lo;
    for (let i = 1; i < order.length; i++) {
      const moving = order[i]!;
      let to = i;
      for (; to > 0; to--) {
        const before = order[to - 1]!;
        if (hi[before] !== hi[moving] || lo[before]! <= lo[moving]!) break;
        order[to] = before;
      }
      order[to] = moving;
    }
  }
}
