/**
 * Tables from hashes to endpoints. They cost time and memory (a Maglev table 131 KB), so that clusters
 * with the same endpoints share one, which lives as long as one of them uses it.
 */
import type { Steps } from '#core/time-slice.ts';
import type { Word64 } from '#core/word64.ts';
import { hashByteString } from '#core/xxhash64.ts';

export interface HashTable {
  /**
   * The number of an endpoint, in the order the table was built from.
   *
   * @param attempt how many answers were turned down before.
   */
  find(hash: Word64, attempt: number): number;
  /** How its entries are shared out, by Envoy's names, such as `min_entries_per_host`. */
  readonly figures: Readonly<Record<string, number>>;
}

/** How a table is made. */
export interface TableAlgorithm {
  /** Envoy's prefix of its figures, such as `maglev_lb`. */
  readonly statPrefix: string;
  /** Equal for algorithms that make equal tables. */
  readonly identity: string;
  /** How many entries a table for endpoints of these weights has. */
  entries(weights: readonly number[]): number;
  /**
   * @param keys what places each endpoint, as byte strings; at least one.
   * @param weights of the endpoints in the same order, with a sum of 1.
   */
  build(keys: readonly string[], weights: readonly number[]): Steps<HashTable>;
}

const tables = new Map<string, WeakRef<HashTable>>();
const collected = new FinalizationRegistry<string>((digest) => {
  if (tables.get(digest)?.deref() === undefined) tables.delete(digest);
});

/** A table that was made of the same before, or a new one. */
export function* shareTable(
  algorithm: TableAlgorithm,
  keys: readonly string[],
  weights: readonly number[],
): Steps<HashTable> {
  const digest = yield* digestOf(algorithm.identity, keys, weights);
  const known = tables.get(digest)?.deref();
  if (known !== undefined) return known;
  const table = yield* algorithm.build(keys, weights);
  tables.set(digest, new WeakRef(table));
  collected.register(table, digest);
  return table;
}

const ENDPOINTS_A_STEP = 128;

/** 128 bits: no two configurations of this world share them by chance. */
function* digestOf(identity: string, keys: readonly string[], weights: readonly number[]): Steps<string> {
  const half = { hi: 0, lo: 0 };
  let digest = `${identity} ${keys.length}`;
  for (let at = 0; at < keys.length; at += ENDPOINTS_A_STEP) {
    const to = at + ENDPOINTS_A_STEP;
    const content = `${digest}\n${keys.slice(at, to).join('\n')}\n${weights.slice(at, to).join()}`;
    hashByteString(content, 0, half);
    const first = `${half.hi} ${half.lo}`;
    hashByteString(content, 1, half);
    digest = `${first} ${half.hi} ${half.lo}`;
    yield;
  }
  return digest;
}
