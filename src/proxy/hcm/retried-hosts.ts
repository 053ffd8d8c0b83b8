/** What the attempts of a request before say of where the next one goes (Envoy, "Retry plugins"). */
import type { Endpoint } from '../cluster/endpoint.ts';
import type { HostRefusal, PriorityCapacity, PriorityShares } from '../cluster/pick-context.ts';
import { jsonEquals } from '../json-equal.ts';
import { LB_METADATA, type RetryHostRules } from '../route/retry-plugins.ts';
import type { RetryRules } from '../route/retry-policy.ts';

const WHOLE = 100;

export class RetriedHosts implements HostRefusal, PriorityShares {
  readonly #rules: RetryHostRules | undefined;
  readonly #frequency: number;
  readonly #tried: Endpoint[] = [];
  /** How many of them have been counted by their priority. */
  #counted = 0;
  #avoided: Endpoint[] = [];
  #shares: readonly number[] | undefined;

  constructor(rules: RetryRules) {
    this.#rules = rules.hosts;
    this.#frequency = rules.priorityFrequency;
  }

  /** An attempt goes there. */
  add(endpoint: Endpoint): void {
    this.#tried.push(endpoint);
  }

  refuses(endpoint: Endpoint): boolean {
    const rules = this.#rules;
    if (rules === undefined) return false;
    if (rules.previous && this.#tried.includes(endpoint)) return true;
    if (rules.canary && endpoint.isCanary) return true;
    const metadata = endpoint.metadata?.filterMetadata[LB_METADATA];
    if (metadata === undefined) return false;
    return rules.metadata.some((values) =>
      Object.entries(values).every(([key, wanted]) => isOrHolds(metadata[key], wanted)),
    );
  }

  /** Traffic is shared out anew after each so many attempts, among the priorities that none of them went to. */
  sharesOf(priorities: readonly PriorityCapacity[]): readonly number[] | undefined {
    const { length } = this.#tried;
    if (length < this.#frequency) return undefined;
    if (length % this.#frequency === 0) {
      for (; this.#counted < length; this.#counted++) this.#avoided.push(this.#tried[this.#counted]!);
      this.#shares = this.#sharedOut(priorities);
    }
    return this.#shares;
  }

  #sharedOut(priorities: readonly PriorityCapacity[]): readonly number[] | undefined {
    const left = (): number[] =>
      priorities.map((place) =>
        this.#avoided.some((endpoint) => isOf(endpoint, place)) ? 0 : place.capacity,
      );
    let capacities = left();
    if (capacities.every((capacity) => capacity === 0)) {
      this.#avoided = [];
      capacities = left();
    }
    const sum = Math.min(
      WHOLE,
      capacities.reduce((total, capacity) => total + capacity, 0),
    );
    if (sum === 0) return undefined;
    const shares = capacities.map(() => 0);
    // What rounding leaves over goes round again, the first priorities first.
    for (let rest = WHOLE; rest > 0; ) {
      for (const [i, capacity] of capacities.entries()) {
        const share = Math.min(rest, Math.floor((capacity * WHOLE) / sum));
        shares[i]! += share;
        rest -= share;
      }
    }
    return shares;
  }
}

function isOf({ owner, traits }: Endpoint, place: PriorityCapacity): boolean {
  return traits.priority === place.priority && (place.owner === undefined || place.owner === owner);
}

function isOrHolds(value: unknown, wanted: unknown): boolean {
  return (
    jsonEquals(value, wanted) || (Array.isArray(value) && value.some((item) => jsonEquals(item, wanted)))
  );
}
