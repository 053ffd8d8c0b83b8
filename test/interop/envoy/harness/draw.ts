/**
 * What a run draws by chance: order and casing of headers, where bytes are cut, values, sizes. A run
 * has one seed; every case has a sequence of its own from it, the same for both proxies.
 */
import { randomBytes } from 'node:crypto';

/** HEDDLE_INTEROP_SEED repeats a run. */
export const seed: string = process.env.HEDDLE_INTEROP_SEED ?? randomBytes(6).toString('hex');

const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789';
const MAX_CUTS = 4;

export class Draw {
  #state: number;

  /** @param name tells one sequence of the seed from another. */
  constructor(name: string, of: string = seed) {
    // FNV-1a
    let hash = 0x811c9dc5;
    for (const char of `${of}/${name}`) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193);
    this.#state = hash >>> 0;
  }

  /** In 0..1, as mulberry32 has it. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** Both ends inclusive. */
  int(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  pick<Item>(list: readonly Item[]): Item {
    return list[this.int(0, list.length - 1)]!;
  }

  token(length: number): string {
    return Array.from({ length }, () => LETTERS[this.int(0, LETTERS.length - 1)]).join('');
  }

  shuffle<Item>(list: readonly Item[]): Item[] {
    const shuffled = [...list];
    for (let last = shuffled.length - 1; last > 0; last--) {
      const other = this.int(0, last);
      [shuffled[last], shuffled[other]] = [shuffled[other]!, shuffled[last]!];
    }
    return shuffled;
  }

  /** Shuffles header lines, but keeps lines of one name in their order, which has a meaning. */
  order(lines: readonly string[]): string[] {
    return this.#within(lines, (line) => line.split(':', 1)[0]!.trim().toLowerCase());
  }

  /** Likewise of fields. */
  orderFields(fields: readonly (readonly [string, string])[]): (readonly [string, string])[] {
    return this.#within(fields, ([name]) => name);
  }

  #within<Item>(items: readonly Item[], name: (item: Item) => string): Item[] {
    const byName = Map.groupBy(items, name);
    return this.shuffle(items.map(name)).map((of) => byName.get(of)!.shift()!);
  }

  /** The header line with its name in letters of any case. */
  casing(line: string): string {
    const end = line.indexOf(':');
    const name = [...line.slice(0, end)].map((char) => (this.next() < 0.5 ? char.toUpperCase() : char));
    return name.join('') + line.slice(end);
  }

  /** The bytes, cut at a few places. */
  pieces(bytes: Buffer): Buffer[] {
    const cuts = Array.from({ length: this.int(0, MAX_CUTS) }, () => this.int(0, bytes.length));
    const ends = [...cuts.sort((a, b) => a - b), bytes.length];
    return ends.map((end, at) => bytes.subarray(ends[at - 1] ?? 0, end)).filter((piece) => piece.length > 0);
  }
}
