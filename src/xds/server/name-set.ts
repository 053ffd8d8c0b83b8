/**
 * Names that one client has asked for. Most clients ask for the same ones, all that there are: these are held once for
 * all of them, and what differs beside them.
 */
export class NameSet implements Iterable<string> {
  #shared: ReadonlySet<string> = nothing;
  readonly #without = new Set<string>();
  readonly #own = new Set<string>();

  get size(): number {
    return this.#shared.size - this.#without.size + this.#own.size;
  }

  has(name: string): boolean {
    return this.#own.has(name) || (this.#shared.has(name) && !this.#without.has(name));
  }

  add(name: string): void {
    if (this.#shared.has(name)) this.#without.delete(name);
    else this.#own.add(name);
  }

  delete(name: string): void {
    if (this.#shared.has(name)) this.#without.add(name);
    else this.#own.delete(name);
  }

  clear(): void {
    this.#shared = nothing;
    this.#without.clear();
    this.#own.clear();
  }

  *[Symbol.iterator](): Generator<string> {
    for (const name of this.#shared) if (!this.#without.has(name)) yield name;
    yield* this.#own;
  }

  /** Holds these no longer by itself, where it has them all. @param names of the resources that there are */
  share(names: Iterable<string>): void {
    const shared = sharedSet(names);
    for (const name of shared) if (!this.has(name)) return;
    const others = [...this].filter((name) => !shared.has(name));
    this.clear();
    this.#shared = shared;
    for (const name of others) this.#own.add(name);
  }
}

const nothing: ReadonlySet<string> = new Set();

/** Kinds and views of which the sets are found again. */
const MAX_RECENT = 16;
let recent: readonly ReadonlySet<string>[] = [];

function sharedSet(names: Iterable<string>): ReadonlySet<string> {
  const set = new Set(names);
  const same = recent.find((one) => one.size === set.size && set.isSubsetOf(one));
  recent = [same ?? set, ...recent.filter((one) => one !== same)].slice(0, MAX_RECENT);
  return same ?? set;
}
