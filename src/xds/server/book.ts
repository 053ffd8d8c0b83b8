/**
 * What a client has of one kind, by name. For most of it that is what a map says that all clients share, so that a book
 * is small; the rest is noted beside it.
 */
import { namesThatMayDiffer } from '../layered-resources.ts';
import type { EncodedResource, ResourceMap } from '../snapshot.ts';

/** What the client was told last about one resource; no bytes when it brought the version from an earlier stream. */
export interface Told {
  readonly version: string;
  readonly resource?: EncodedResource;
}

export class Book {
  readonly #covers: (name: string) => boolean;
  #basis: ResourceMap | undefined;
  /** Undefined: not in the book, though the basis has it. */
  #beside = new Map<string, Told | undefined>();

  /** @param covers whether the client wants `name`: of the basis it has what it wants */
  constructor(covers: (name: string) => boolean) {
    this.#covers = covers;
  }

  get(name: string): Told | undefined {
    if (this.#beside.has(name)) return this.#beside.get(name);
    if (this.#basis === undefined || !this.#covers(name)) return undefined;
    const resource = this.#basis.get(name);
    return resource && { version: resource.version, resource };
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  get isEmpty(): boolean {
    for (const _ of this) return false;
    return true;
  }

  set(name: string, told: Told): void {
    this.#beside.set(name, told);
  }

  delete(name: string): void {
    if (this.#basis?.has(name) === true) this.#beside.set(name, undefined);
    else this.#beside.delete(name);
  }

  *keys(): Generator<string> {
    for (const [name] of this) yield name;
  }

  *[Symbol.iterator](): Generator<[name: string, told: Told]> {
    for (const [name, resource] of this.#basis ?? []) {
      if (this.#covers(name) && !this.#beside.has(name))
        yield [name, { version: resource.version, resource }];
    }
    for (const [name, told] of this.#beside) if (told !== undefined) yield [name, told];
  }

  /** Names of which the book may not say what `resources` do; undefined: any. */
  otherThan(resources: ResourceMap): ReadonlySet<string> | undefined {
    if (this.#basis === undefined) return undefined;
    return new Set([...namesThatMayDiffer(this.#basis, resources), ...this.#beside.keys()]);
  }

  /** From now on the book says what `resources` do of all that the client wants, but for these; undefined: nothing. */
  settle(
    resources: ResourceMap,
    but: readonly (readonly [name: string, told: Told | undefined])[] = [],
  ): void {
    this.#basis = resources;
    this.#beside = new Map(but);
  }

  /** What the client wants is about to change: the book stays as it is. */
  unsettle(): void {
    this.#beside = new Map(this);
    this.#basis = undefined;
  }

  /** Says what `other` does; both are of one client. */
  copy(other: Book): void {
    this.#basis = other.#basis;
    this.#beside = new Map(other.#beside);
  }
}
