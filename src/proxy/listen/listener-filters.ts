/** The listener filters of a listener in force, where the configuration of some may come by name. */
import type { DataPathDeps } from '../data-path-deps.ts';
import { type Extensions, Followed } from '../discovered.ts';
import type { CreateFilter, FilterSettings } from './filter-settings.ts';
import type { AppliedFilter } from './inspection.ts';

interface Deps extends Pick<DataPathDeps, 'metrics' | 'log'> {
  readonly extensions: Extensions;
}

/** A filter of the listener, and where the way to make it comes from. */
interface Entry {
  readonly followed: Followed<CreateFilter | undefined> | undefined;
  readonly skips: AppliedFilter['skips'];
  /** Undefined while there is none. */
  applied: AppliedFilter | undefined;
}

export class ListenerFilters {
  readonly #entries: readonly Entry[];
  readonly #deps: Deps;
  readonly #follows: boolean;
  #version = 0;
  #current: readonly AppliedFilter[] | undefined;

  /** @throws where this process may not do what one of them asks. */
  constructor(filters: readonly FilterSettings[], deps: Deps) {
    this.#deps = deps;
    this.#entries = filters.map(({ create, skips }): Entry => {
      if (typeof create === 'function')
        return { followed: undefined, skips, applied: { filter: create(deps), skips } };
      const followed = new Followed(create);
      return { followed, skips, applied: followed.filter && { filter: followed.filter(deps), skips } };
    });
    this.#follows = this.#entries.some(({ followed }) => followed !== undefined);
    this.#current = this.#together();
  }

  /** For connections to come; undefined while the configuration of one is missing. */
  get current(): readonly AppliedFilter[] | undefined {
    if (this.#follows && this.#deps.extensions.version !== this.#version) this.#refresh();
    return this.#current;
  }

  #refresh(): void {
    const { extensions } = this.#deps;
    this.#version = extensions.version;
    for (const entry of this.#entries) {
      if (entry.followed?.refresh(extensions) === true) entry.applied = this.#create(entry);
    }
    this.#current = this.#together();
  }

  #create({ followed, skips }: Entry): AppliedFilter | undefined {
    try {
      const filter = followed?.filter?.(this.#deps);
      return filter && { filter, skips };
    } catch (error) {
      this.#deps.log.warn('listen.filter-not-created', { error });
      return undefined;
    }
  }

  #together(): readonly AppliedFilter[] | undefined {
    const all = this.#entries.map(({ applied }) => applied);
    return all.includes(undefined) ? undefined : all.filter((one) => one !== undefined);
  }
}
