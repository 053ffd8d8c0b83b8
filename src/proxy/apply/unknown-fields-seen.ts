/** Which unknown fields came by xDS so far: each place is told of and counted once, as in Envoy. */
import type { Counter } from '#observe/metrics-contract.ts';
import type { UnknownField } from '#xds/unknown-fields.ts';

/** What a server makes up without end is not all remembered: more than these are told of again. */
const MOST_REMEMBERED = 10_000;

export class UnknownFieldsSeen {
  readonly #counter: Counter;
  readonly #places = new Set<string>();

  /** @param counter Envoy's `server.dynamic_unknown_fields` */
  constructor(counter: Counter) {
    this.#counter = counter;
  }

  /** Counts it, unless there was one at this place already. @returns whether it is the first */
  note({ path, type }: UnknownField): boolean {
    const place = `${type} ${path.replace(/\[\d+\]/g, '')}`;
    if (this.#places.has(place)) return false;
    if (this.#places.size < MOST_REMEMBERED) this.#places.add(place);
    this.#counter.inc();
    return true;
  }
}
