/**
 * Maglev: a table of a prime number of slots; endpoints take turns in choosing their next preferred
 * free slot, heavier ones more often. Few slots change hands when an endpoint comes or goes.
 *
 * Source: D. Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016;
 * order and turns as in Envoy.
 */
import { sortSteps } from '#core/gradual-sort.ts';
import type { Steps } from '#core/time-slice.ts';
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
    entries: () => tableSize,
    build: (keys, weights) => buildMaglev(keys, weights, tableSize),
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

/** Slots that are filled between two pauses. */
const SLOTS_A_STEP = 2048;
const ENDPOINTS_A_STEP = 128;

type Owners = Uint16Array | Uint32Array;

function* buildMaglev(keys: readonly string[], weights: readonly number[], size: number): Steps<HashTable> {
  // 0 is free, else one more than the number of the endpoint.
  const owners = keys.length < 0xffff ? new Uint16Array(size) : new Uint32Array(size);
  const contenders = yield* contendersOf(keys, weights, size);
  yield* fill(owners, contenders);
  let [min, max] = [size, 0];
  for (const { taken } of contenders) {
    min = Math.min(min, taken);
    max = Math.max(max, taken);
  }
  return new MaglevTable(owners, { min_entries_per_host: min, max_entries_per_host: max });
}

class MaglevTable implements HashTable {
  readonly figures: Readonly<Record<string, number>>;
  readonly #owners: Owners;
  readonly #retried: Word64 = { hi: 0, lo: 0 };

  constructor(owners: Owners, figures: Readonly<Record<string, number>>) {
    this.#owners = owners;
    this.figures = figures;
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
function* contendersOf(
  keys: readonly string[],
  weights: readonly number[],
  size: number,
): Steps<Contender[]> {
  const hash: Word64 = { hi: 0, lo: 0 };
  const order = yield* sortSteps([...keys.keys()], (a, b) =>
    keys[a]! < keys[b]! ? -1 : keys[a]! > keys[b]! ? 1 : 0,
  );
  const contenders: Contender[] = [];
  for (const owner of order) {
    hashByteString(keys[owner]!, 0, hash);
    const slot = remainder(hash, size);
    hashByteString(keys[owner]!, 1, hash);
    const skip = remainder(hash, size - 1) + 1;
    contenders.push({ owner, weight: weights[owner]!, skip, slot, taken: 0, target: 0 });
    if (contenders.length % ENDPOINTS_A_STEP === 0) yield;
  }
  return contenders;
}

function* fill(owners: Owners, contenders: readonly Contender[]): Steps<void> {
  const heaviest = contenders.reduce((most, { weight }) => Math.max(most, weight), 0);
  let left = owners.length;
  let pauseAt = left - SLOTS_A_STEP;
  for (let round = 1; left > 0; round++) {
    for (const contender of contenders) {
      if (left === 0) break;
      // The heaviest has a turn in every round, one of a third of its weight in every third.
      if (round * contender.weight < contender.target) continue;
      contender.target += heaviest;
      takeSlot(owners, contender);
      left--;
      if (left > pauseAt) continue;
      pauseAt -= SLOTS_A_STEP;
      yield;
    }
  }
}

/** The next free one of those it prefers. */
function takeSlot(owners: Owners, contender: Contender): void {
  const size = owners.length;
  let { slot } = contender;
  while (owners[slot] !== 0) {
    slot += contender.skip;
    if (slot >= size) slot -= size;
  }
  owners[slot] = contender.owner + 1;
  contender.taken++;
  slot += contender.skip;
  contender.slot = slot >= size ? slot - size : slot;
}
