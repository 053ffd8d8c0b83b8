/**
 * Endpoints in an order in which each comes as often as its weight says, evenly spread: earliest
 * deadline first, with a heap of deadlines 1/weight apart.
 *
 * Source: Envoy, "Weighted round robin" (EDF scheduler).
 */

interface Entry<E> {
  readonly item: E;
  deadline: number;
  order: number;
}

export class WeightedOrder<E> {
  readonly #heap: Entry<E>[] = [];
  #now = 0;
  #order = 0;

  add(item: E, weight: number): void {
    this.#push({ item, deadline: this.#now + 1 / weight, order: this.#order++ });
  }

  /** @param weightOf what it weighs now. O(log n). */
  next(weightOf: (item: E) => number): E | undefined {
    const top = this.#heap[0];
    if (top === undefined) return undefined;
    this.#now = top.deadline;
    top.deadline += 1 / weightOf(top.item);
    top.order = this.#order++;
    this.#sink(0);
    return top.item;
  }

  #push(entry: Entry<E>): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }

  #sink(from: number): void {
    const heap = this.#heap;
    const entry = heap[from]!;
    let at = from;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, entry)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = entry;
  }
}

function isBefore<E>(a: Entry<E>, b: Entry<E>): boolean {
  return a.deadline === b.deadline ? a.order < b.order : a.deadline < b.deadline;
}

/** Whether every endpoint weighs the same, so that no order by weight is needed. */
export function areWeightsEqual(
  endpoints: readonly { readonly traits: { readonly weight: number } }[],
): boolean {
  return endpoints.every(({ traits }) => traits.weight === endpoints[0]!.traits.weight);
}
