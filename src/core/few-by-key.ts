/** Values by their keys, where nearly every key has one: that one takes no set of its own. */
export class FewByKey<Value extends object | string> {
  readonly #values = new Map<string, Value | Set<Value>>();

  add(key: string, value: Value): void {
    const known = this.#values.get(key);
    if (known === undefined || known === value) this.#values.set(key, value);
    else if (known instanceof Set) known.add(value);
    else this.#values.set(key, new Set([known, value]));
  }

  /** In the order they were added. */
  of(key: string): readonly Value[] {
    const known = this.#values.get(key);
    if (known === undefined) return [];
    return known instanceof Set ? [...known] : [known];
  }

  remove(key: string, value: Value): void {
    const known = this.#values.get(key);
    if (known instanceof Set) known.delete(value);
    if (known === value || (known instanceof Set && known.size === 0)) this.#values.delete(key);
  }

  forget(key: string): void {
    this.#values.delete(key);
  }

  keys(): Iterable<string> {
    return this.#values.keys();
  }
}
