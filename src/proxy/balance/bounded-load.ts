/**
 * Consistent hashing with bounded loads: where the endpoint a hash belongs to has more than its share of
 * the requests in flight, another is drawn, in an order that depends on the hash alone.
 *
 * Source: V. Mirrokni et al., "Consistent Hashing with Bounded Loads", arXiv 1608.01350; the random jump,
 * J. Chen et al., arXiv 1908.08762; rounding and generator as in Envoy.
 */
import { Mt19937 } from '#core/mt19937.ts';
import type { Word64 } from '#core/word64.ts';
import type { Candidate } from './contract.ts';

export class BoundedLoad<E extends Candidate> {
  readonly #endpoints: readonly E[];
  readonly #weights: readonly number[];
  readonly #factor: number;
  readonly #activeRequests: () => number;

  /** @param factor percent of the average load that an endpoint may have (`hash_balance_factor`). */
  constructor(
    endpoints: readonly E[],
    weights: readonly number[],
    factor: number,
    activeRequests: () => number,
  ) {
    this.#endpoints = endpoints;
    this.#weights = weights;
    this.#factor = factor;
    this.#activeRequests = activeRequests;
  }

  /** @param first the number of the endpoint that the hash belongs to. */
  settle(first: number, hash: Word64): E {
    let least = this.#load(first);
    if (least <= 1) return this.#endpoints[first]!;
    let best = first;
    const random = new Mt19937(hash.lo);
    const count = this.#endpoints.length;
    const order = Uint32Array.from({ length: count }, (_, i) => i);
    for (let i = 0; i < count; i++) {
      const other = i + below(random, count - i);
      const at = order[other]!;
      order[other] = order[i]!;
      order[i] = at;
      if (at === first) continue;
      const load = this.#load(at);
      if (load <= 1) return this.#endpoints[at]!;
      if (load < least) {
        least = load;
        best = at;
      }
    }
    return this.#endpoints[best]!;
  }

  /** Requests in flight for one place of those it has; above 1 is too many. */
  #load(at: number): number {
    const places = Math.floor(((this.#activeRequests() + 1) * this.#factor + 99) / 100);
    return this.#endpoints[at]!.counts.rqActive / Math.max(1, Math.ceil(places * this.#weights[at]!));
  }
}

/** Uniform in [0, limit). */
function below(random: Mt19937, limit: number): number {
  const width = Math.floor(2 ** 32 / limit);
  for (;;) {
    const drawn = Math.floor(random.next() / width);
    if (drawn < limit) return drawn;
  }
}
