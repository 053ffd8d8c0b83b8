/**
 * Ring hash ("ketama"): every endpoint has points on a ring, as many as its weight says; a hash belongs
 * to the next point. Points and rounding are Envoy's, so that both send a key to the same endpoint.
 *
 * Source: Envoy, "Ring hash"; D. Karger et al., "Consistent Hashing and Random Trees", STOC 1997.
 */
import { murmur2 } from '#core/murmur2.ts';
import type { Steps } from '#core/time-slice.ts';
import type { Word64 } from '#core/word64.ts';
import { hashByteString } from '#core/xxhash64.ts';
import type { HashTable, TableAlgorithm } from './hash-table.ts';
import { RingPoints, type SortedPoints } from './ring-points.ts';

export interface RingOptions {
  readonly minimumSize: number;
  readonly maximumSize: number;
  readonly hashFunction: 'xx-hash' | 'murmur-hash-2';
}

/** Envoy's defaults. */
export const defaultRingOptions: RingOptions = {
  minimumSize: 1024,
  maximumSize: 8 * 1024 * 1024,
  hashFunction: 'xx-hash',
};

export function ringAlgorithm(options: RingOptions): TableAlgorithm {
  const { minimumSize, maximumSize, hashFunction } = options;
  return {
    statPrefix: 'ring_hash_lb',
    identity: `ring ${minimumSize} ${maximumSize} ${hashFunction}`,
    entries: (weights) => Math.ceil(scaleOf(weights, options)),
    build: (keys, weights) => buildRing(keys, weights, options),
  };
}

/** The lightest endpoint gets a whole number of points, unless that makes the ring too large. */
function scaleOf(weights: readonly number[], { minimumSize, maximumSize }: RingOptions): number {
  const least = weights.reduce((a, b) => Math.min(a, b));
  return Math.min(Math.ceil(least * minimumSize) / least, maximumSize);
}

/** Points that are made between two pauses. */
const POINTS_A_STEP = 128;

function* buildRing(
  keys: readonly string[],
  weights: readonly number[],
  options: RingOptions,
): Steps<HashTable> {
  const scale = scaleOf(weights, options);
  const size = Math.ceil(scale);
  const points = new RingPoints(size + 1);
  const hash: Word64 = { hi: 0, lo: 0 };
  let wanted = 0;
  let [min, max] = [size, 0];
  for (const [owner, key] of keys.entries()) {
    // A running sum, so that fractions of points even out over the endpoints.
    wanted += scale * weights[owner]!;
    let nth = 0;
    for (; points.count < wanted; nth++) {
      const name = `${key}_${nth}`;
      if (options.hashFunction === 'murmur-hash-2') murmur2(name, hash);
      else hashByteString(name, 0, hash);
      points.add(hash, owner);
      if (points.count % POINTS_A_STEP === 0) yield;
    }
    min = Math.min(min, nth);
    max = Math.max(max, nth);
  }
  const sorted = yield* points.sorted();
  return new Ring(sorted, { size, min_hashes_per_host: min, max_hashes_per_host: max });
}

class Ring implements HashTable {
  readonly figures: Readonly<Record<string, number>>;
  /** Points in rising order: high and low half, and the number of the endpoint. */
  readonly #hi: Uint32Array;
  readonly #lo: Uint32Array;
  readonly #owner: Uint32Array;

  constructor({ hi, lo, owner }: SortedPoints, figures: Readonly<Record<string, number>>) {
    this.#hi = hi;
    this.#lo = lo;
    this.#owner = owner;
    this.figures = figures;
  }

  find(hash: Word64, attempt: number): number {
    const his = this.#hi;
    const los = this.#lo;
    let low = 0;
    let high = his.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const hi = his[middle]!;
      if (hi < hash.hi || (hi === hash.hi && los[middle]! < hash.lo)) low = middle + 1;
      else high = middle;
    }
    return this.#owner[((low === his.length ? 0 : low) + attempt) % his.length]!;
  }
}
