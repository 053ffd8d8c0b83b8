/**
 * Tables from hashes to endpoints. They cost time and memory (a Maglev table 131 KB), so that clusters
 * with the same endpoints share one, which lives as long as one of them uses it.
 */
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
  /**
   * @param keys what places each endpoint, as byte strings; at least one.
   * @param weights of the endpoints in the same order, with a sum of 1.
   */
  build(keys: readonly string[], weights: readonly number[]): HashTable;
}

const tables = new Map<string, WeakRef<HashTable>>();
const collected = new FinalizationRegistry<string>((digest) => {
  if (tables.get(digest)?.deref() === undefined) tables.delete(digest);
});

/** A table that was made of the same before, or a new one. */
export function shareTable(
  algorithm: TableAlgorithm,
  keys: readonly string[],
  weights: readonly number[],
): HashTable {
  const digest = digestOf(`${algorithm.identity}\n${keys.join('\n')}\n${weights.join()}`);
  const known = tables.get(digest)?.deref();
  if (known !== undefined) return known;
  const table = algorithm.build(keys, weights);
  tables.set(digest, new WeakRef(table));
  collected.register(table, digest);
  return table;
}

/** 128 bits: no two configurations of this world share them by chance. */
function digestOf(content: string): string {
  const half = { hi: 0, lo: 0 };
  hashByteString(content, 0, half);
  const first = `${half.hi} ${half.lo}`;
  hashByteString(content, 1, half);
  return `${first} ${half.hi} ${half.lo}`;
}
