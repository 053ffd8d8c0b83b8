/**
 * Figures in typed arrays: one writer, plain stores. The memory is this thread's own, or shared with
 * one that only reads; either way a count costs one store.
 */
import type { Counter, Gauge } from './metrics-contract.ts';

/** Makes room for `count` figures, all zero. */
export type AllocateSlots = (count: number) => Float64Array;

export const ownSlots: AllocateSlots = (count) => new Float64Array(count);

/** Other threads of the process may read these. */
export const sharedSlots: AllocateSlots = (count) =>
  new Float64Array(new SharedArrayBuffer(count * Float64Array.BYTES_PER_ELEMENT));

const FIRST_CHUNK = 64;
const CHUNK = 256;
/** Each chunk is so many times the one before, up to the largest. */
const GROWTH = 4;

/** Slots dealt out one after the other; they are given back together, by forgetting the arena. */
export class SlotArena {
  readonly #allocate: AllocateSlots;
  #slots: Float64Array | undefined;
  #used = 0;
  /** Size of the next chunk. */
  #next: number;
  /** Whether the last `take` began a chunk. */
  fresh = false;

  /** @param first room in the first chunk */
  constructor(allocate: AllocateSlots, first: number = FIRST_CHUNK) {
    this.#allocate = allocate;
    this.#next = first;
  }

  /** The chunk the last `take` was from. */
  get slots(): Float64Array {
    return this.#slots!;
  }

  /** Place of the first of `count` neighbours in {@link slots}. */
  take(count: number): number {
    const at = this.#used;
    this.fresh = this.#slots === undefined || at + count > this.#slots.length;
    if (!this.fresh) {
      this.#used = at + count;
      return at;
    }
    this.#slots = this.#allocate(Math.max(count, this.#next));
    this.#next = Math.min(CHUNK, this.#next * GROWTH);
    this.#used = count;
    return 0;
  }
}

export class SlotCounter implements Counter {
  readonly #slots: Float64Array;
  readonly #at: number;

  constructor(slots: Float64Array, at: number) {
    this.#slots = slots;
    this.#at = at;
  }

  get value(): number {
    return this.#slots[this.#at]!;
  }

  inc(by = 1): void {
    this.#slots[this.#at]! += by;
  }
}

/** How a gauge was last moved: never, by steps, or to a level that all threads know alike. */
export const gaugeUntouched = 0;
export const gaugeStepped = 1;
export const gaugeLevel = 2;

/** Two slots: the value, and which of the three it is. */
export const GAUGE_SLOTS = 2;

export class SlotGauge implements Gauge {
  readonly #slots: Float64Array;
  readonly #at: number;

  constructor(slots: Float64Array, at: number) {
    this.#slots = slots;
    this.#at = at;
  }

  get value(): number {
    return this.#slots[this.#at]!;
  }

  get mode(): number {
    return this.#slots[this.#at + 1]!;
  }

  add(by: number): void {
    this.#slots[this.#at]! += by;
    this.#slots[this.#at + 1] ||= gaugeStepped;
  }

  set(value: number): void {
    this.#slots[this.#at] = value;
    this.#slots[this.#at + 1] = gaugeLevel;
  }
}
