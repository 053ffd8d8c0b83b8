/**
 * A token bucket in one number, the moment at which it would have been empty (the generic cell rate algorithm;
 * Envoy's `AtomicTokenBucketImpl`): it fills evenly, and threads take from it without a lock.
 */
import type { BucketCell } from '../bucket-memory.ts';

const NS_IN_MS = 1_000_000;
const NS_IN_S = 1_000_000_000;

export class TokenBucket {
  readonly maxTokens: number;
  /** In nanoseconds. */
  readonly #perToken: number;
  readonly #cell: BucketCell;
  readonly #nowMs: () => number;

  /** @param nowMs the same in all threads */
  constructor(maxTokens: number, tokensPerMs: number, cell: BucketCell, nowMs: () => number) {
    this.maxTokens = maxTokens;
    this.#perToken = Math.max(1, Math.round(NS_IN_MS / tokensPerMs));
    this.#cell = cell;
    this.#nowMs = nowMs;
  }

  get tokensPerMs(): number {
    return NS_IN_MS / this.#perToken;
  }

  /** Tokens there are, with a fraction. */
  get tokens(): number {
    return (this.#now() - this.#emptyAt(Atomics.load(this.#cell.cells, this.#cell.at))) / this.#perToken;
  }

  get secondsUntilNext(): number {
    return Math.max(0, ((1 - this.tokens) * this.#perToken) / NS_IN_S);
  }

  take(): boolean {
    const { cells, at } = this.#cell;
    for (;;) {
      const seen = Atomics.load(cells, at);
      const next = this.#emptyAt(seen) + this.#perToken;
      if (next > this.#now()) return false;
      if (Atomics.compareExchange(cells, at, seen, BigInt(next) || 1n) === seen) return true;
    }
  }

  /** No bucket holds more than its maximum, which is what one of which nothing was taken has. */
  #emptyAt(stored: bigint): number {
    const full = this.#now() - this.maxTokens * this.#perToken;
    return stored === 0n ? full : Math.max(Number(stored), full);
  }

  #now(): number {
    return Math.floor(this.#nowMs() * NS_IN_MS);
  }
}
