/**
 * Numbers of endpoints in an order in which each comes as often as its weight says, evenly spread: earliest
 * deadline first, with a heap of deadlines 1/weight apart.
 *
 * Source: Envoy, "Weighted round robin" (EDF scheduler).
 */

interface Entry {
  readonly item: number;
  deadline: number;
  order: number;
}

export class WeightedOrder {
  readonly #heap: Entry[] = [];
  #now = 0;
  #order = 0;

  add(item: number, weight: number): void {
    this.#push({ item, deadline: this.#now + 1 / weight, order: this.#order++ });
  }

  /** The next one of at least one. O(log n). @param weightOf what it weighs now. */
  next(weightOf: (item: number) => number): number {
    const top = this.#heap[0]!;
    this.#now = top.deadline;
    top.deadline += 1 / weightOf(top.item);
    top.order = this.#order++;
    this.#sink(0);
    return top.item;
  }

  #push(entry: Entry): void {
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

function isBefore(a: Entry, b: Entry): boolean {
  return a.deadline === b.deadline ? a.order < b.order : a.deadline < b.deadline;
}

/** Whether every endpoint weighs the same, so that no order by weight is needed. */
export function areEqual(weights: readonly number[]): boolean {
  return weights.every((weight) => weight === weights[0]);
}
