/** The points of a hash ring while it is made: 64-bit words with owners, put in order in linear time. */
import type { Steps } from '#core/time-slice.ts';
import type { Word64 } from '#core/word64.ts';

export interface SortedPoints {
  readonly hi: Uint32Array;
  readonly lo: Uint32Array;
  readonly owner: Uint32Array;
}

/** Bits of the high half that one pass sorts by. */
const DIGIT_BITS = 11;
const DIGITS = 1 << DIGIT_BITS;
/** Points that are moved between two pauses. */
const POINTS_A_STEP = 8192;

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

  *sorted(): Steps<SortedPoints> {
    const order = yield* this.#orderByHigh();
    yield* this.#settleTies(order);
    return {
      hi: yield* picked(this.#hi, order),
      lo: yield* picked(this.#lo, order),
      owner: yield* picked(this.#owner, order),
    };
  }

  /** Radix sort, lowest digit first. */
  *#orderByHigh(): Steps<Uint32Array> {
    const { count } = this;
    const hi = this.#hi;
    let from = new Uint32Array(count);
    for (let i = 0; i < count; i++) from[i] = i;
    let to = new Uint32Array(count);
    for (let shift = 0; shift < 32; shift += DIGIT_BITS) {
      const starts = new Uint32Array(DIGITS + 1);
      for (let i = 0; i < count; i++) {
        starts[digitOf(hi[from[i]!]!, shift) + 1]!++;
        if (i % POINTS_A_STEP === 0) yield;
      }
      for (let digit = 1; digit < DIGITS; digit++) starts[digit]! += starts[digit - 1]!;
      for (let i = 0; i < count; i++) {
        const at = from[i]!;
        to[starts[digitOf(hi[at]!, shift)]!++] = at;
        if (i % POINTS_A_STEP === 0) yield;
      }
      [from, to] = [to, from];
    }
    return from;
  }

  /** Equal high halves are rare, and few in a row. */
  *#settleTies(order: Uint32Array): Steps<void> {
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
      if (i % POINTS_A_STEP === 0) yield;
    }
  }
}

function digitOf(hi: number, shift: number): number {
  return (hi >>> shift) & (DIGITS - 1);
}

function* picked(values: Uint32Array, order: Uint32Array): Steps<Uint32Array> {
  const inOrder = new Uint32Array(order.length);
  for (let i = 0; i < order.length; i++) {
    inOrder[i] = values[order[i]!]!;
    if (i % POINTS_A_STEP === 0) yield;
  }
  return inOrder;
}
