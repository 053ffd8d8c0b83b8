/**
 * Maglev: a table of a prime number of slots; endpoints take turns in choosing their next preferred
 * free slot, heavier ones more often. Few slots change hands when an endpoint comes or goes.
 *
 * Source: D. Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016;
 * order and turns as in Envoy.
 */
import { remainder, type Word64 } from '#core/word64.ts';
import { hashByteString } from '#core/xxhash64.ts';
import type { HashTable, TableAlgorithm } from './hash-table.ts';

/** Envoy's default. */
export const MAGLEV_TABLE_SIZE = 65537;
/** Envoy's limit. */
export const MAGLEV_MAX_TABLE_SIZE = 5_000_011;

/** @param tableSize a prime number. */
export function maglevAlgorithm(tableSize: number): TableAlgorithm {
  return {
    statPrefix: 'maglev_lb',
    identity: `maglev ${tableSize}`,
    build: (keys, weights) => new MaglevTable(keys, weights, tableSize),
  };
}

interface Contender {
  readonly owner: number;
  readonly weight: number;
  readonly skip: number;
  slot: number;
  taken: number;
  target: number;
}

class MaglevTable implements HashTable {
  readonly figures: Readonly<Record<string, number>>;
  readonly #owners: Uint16Array | Uint32Array;
  readonly #retried: Word64 = { hi: 0, lo: 0 };

  constructor(keys: readonly string[], weights: readonly number[], size: number) {
    const owners = keys.length < 0xffff ? new Uint16Array(size) : new Uint32Array(size);
    const contenders = contendersOf(keys, weights, size);
    fill(owners, contenders);
    this.#owners = owners;
    let [min, max] = [size, 0];
    for (const { taken } of contenders) {
      min = Math.min(min, taken);
      max = Math.max(max, taken);
    }
    this.figures = { min_entries_per_host: min, max_entries_per_host: max };
  }

  find(hash: Word64, attempt: number): number {
    let from = hash;
    if (attempt > 0) {
      // Most bits change, so that retries of different hashes go different ways.
      this.#retried.hi = ~hash.hi >>> 0;
      this.#retried.lo = (hash.lo ^ -attempt) >>> 0;
      from = this.#retried;
    }
    return this.#owners[remainder(from, this.#owners.length)]! - 1;
  }
}

/** In the order of their keys, so that the order of the configuration does not count. */
function contendersOf(keys: readonly string[], weights: readonly number[], size: number): Contender[] {
  const hash: Word64 = { hi: 0, lo: 0 };
  const order = keys
    .map((_, i) => i)
    .sort((a, b) => (keys[a]! < keys[b]! ? -1 : keys[a]! > keys[b]! ? 1 : 0));
  return order.map((owner) => {
    hashByteString(keys[owner]!, 0, hash);
    const slot = remainder(hash, size);
    hashByteString(keys[owner]!, 1, hash);
    const skip = remainder(hash, size - 1) + 1;
    return { owner, weight: weights[owner]!, skip, slot, taken: 0, target: 0 };
  });
}

/** @param owners 0 is free, else one more than the number of the endpoint. */
function fill(owners: Uint16Array | Uint32Array, contenders: readonly Contender[]): void {
  const size = owners.length;
  const heaviest = contenders.reduce((most, { weight }) => Math.max(most, weight), 0);
  let left = size;
  for (let round = 1; left > 0; round++) {
    for (const contender of contenders) {
      if (left === 0) break;
      // The heaviest has a turn in every round, one of a third of its weight in every third.
      if (round * contender.weight < contender.target) continue;
      contender.target += heaviest;
      let { slot } = contender;
      while (owners[slot] !== 0) {
        slot += contender.skip;
        if (slot >= size) slot -= size;
      }
      owners[slot] = contender.owner + 1;
      contender.taken++;
      left--;
      slot += contender.skip;
      contender.slot = slot >= size ? slot - size : slot;
    }
  }
}
