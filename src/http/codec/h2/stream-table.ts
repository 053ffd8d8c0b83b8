/** Open streams by id: open addressing, as ids of one connection are dense. */
import type { H2Stream } from './stream.ts';

const FIRST_SLOTS = 8;

export class StreamTable {
  /** Streams in the table. */
  size = 0;
  #slots: (H2Stream | undefined)[] = new Array(FIRST_SLOTS).fill(undefined);
  #mask = FIRST_SLOTS - 1;

  get(id: number): H2Stream | undefined {
    const slots = this.#slots;
    const mask = this.#mask;
    for (let slot = (id >>> 1) & mask; ; slot = (slot + 1) & mask) {
      const stream = slots[slot];
      if (stream === undefined || stream.id === id) return stream;
    }
  }

  /** The stream's id must not be in the table. */
  add(stream: H2Stream): void {
    if (this.size * 2 >= this.#slots.length) this.#grow();
    this.size++;
    this.#put(stream);
  }

  delete(stream: H2Stream): void {
    const slots = this.#slots;
    const mask = this.#mask;
    let hole = (stream.id >>> 1) & mask;
    while (slots[hole] !== stream) {
      if (slots[hole] === undefined) return;
      hole = (hole + 1) & mask;
    }
    this.size--;
    // What stands behind moves up where its own place is not past the hole, so that no search ends early.
    for (let slot = (hole + 1) & mask; ; slot = (slot + 1) & mask) {
      const next = slots[slot];
      if (next === undefined) break;
      const home = (next.id >>> 1) & mask;
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
      slots[hole] = next;
      hole = slot;
    }
    slots[hole] = undefined;
  }

  /** All streams, in no order; the table may change while they are looked at. */
  toArray(): H2Stream[] {
    const streams: H2Stream[] = [];
    for (const stream of this.#slots) if (stream !== undefined) streams.push(stream);
    return streams;
  }

  #put(stream: H2Stream): void {
    const slots = this.#slots;
    const mask = this.#mask;
    let slot = (stream.id >>> 1) & mask;
    while (slots[slot] !== undefined) slot = (slot + 1) & mask;
    slots[slot] = stream;
  }

  #grow(): void {
    const old = this.#slots;
    this.#mask = old.length * 2 - 1;
    this.#slots = new Array(old.length * 2).fill(undefined);
    for (const stream of old) if (stream !== undefined) this.#put(stream);
  }
}
