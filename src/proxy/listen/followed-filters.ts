/** The network filters of a chain, where the configuration of some comes by name. */
import { type Extensions, Followed } from '../discovered.ts';
import {
  type FilterPart,
  isDiscovered,
  type NetworkFilters,
  type PlacedFilter,
  together,
} from './network-filters.ts';

export class FollowedFilters {
  readonly #placed: readonly (FilterPart | Followed<FilterPart | undefined>)[];
  readonly #extensions: Extensions;
  #version = -1;
  #current: NetworkFilters | undefined;

  constructor(placed: readonly PlacedFilter[], extensions: Extensions) {
    this.#placed = placed.map((one) => (isDiscovered(one) ? new Followed(one) : one));
    this.#extensions = extensions;
  }

  /** The same object until another configuration came; undefined while one is missing. */
  get current(): NetworkFilters | undefined {
    const { version } = this.#extensions;
    if (version === this.#version) return this.#current;
    const isFirst = this.#version === -1;
    this.#version = version;
    const changes = this.#placed.filter((one) => one instanceof Followed && one.refresh(this.#extensions));
    if (isFirst || changes.length > 0) this.#current = this.#assemble();
    return this.#current;
  }

  #assemble(): NetworkFilters | undefined {
    const parts: FilterPart[] = [];
    for (const one of this.#placed) {
      const part = one instanceof Followed ? one.filter : one;
      if (part === undefined) return undefined;
      parts.push(part);
    }
    return together(parts);
  }
}
