/** Virtual hosts by domain: exact, then the longest `*.suffix`, then the longest `prefix.*`, then `*` (Envoy, VirtualHost.domains). */

export class HostTable<T> {
  readonly #exact = new Map<string, T>();
  /** By length of the fixed part, longest first. */
  readonly #suffixes: [length: number, byText: Map<string, T>][] = [];
  readonly #prefixes: [length: number, byText: Map<string, T>][] = [];
  #any: T | undefined;
  #last = '';
  #lastFound: T | undefined;

  /** @returns why the domain cannot be taken, or undefined. */
  add(domain: string, value: T): string | undefined {
    const host = domain.toLowerCase();
    if (host === '*') {
      if (this.#any !== undefined) return 'only one virtual host may have the domain "*"';
      this.#any = value;
      return undefined;
    }
    if (host === '') return 'must not be empty';
    if (host.startsWith('*')) return addTo(bucketOf(this.#suffixes, host.length - 1), host.slice(1), value);
    if (host.endsWith('*')) return addTo(bucketOf(this.#prefixes, host.length - 1), host.slice(0, -1), value);
    return addTo(this.#exact, host, value);
  }

  /** @param authority in any case, with its port if it has one. */
  find(authority: string): T | undefined {
    // The same host comes many times in a row.
    if (authority === this.#last && this.#lastFound !== undefined) return this.#lastFound;
    const found = this.#search(authority.toLowerCase());
    this.#last = authority;
    this.#lastFound = found;
    return found;
  }

  #search(host: string): T | undefined {
    const exact = this.#exact.get(host);
    if (exact !== undefined) return exact;
    for (const [length, byText] of this.#suffixes) {
      // The wildcard stands for at least one character.
      if (host.length <= length) continue;
      const found = byText.get(host.slice(host.length - length));
      if (found !== undefined) return found;
    }
    for (const [length, byText] of this.#prefixes) {
      if (host.length <= length) continue;
      const found = byText.get(host.slice(0, length));
      if (found !== undefined) return found;
    }
    return this.#any;
  }
}

function addTo<T>(map: Map<string, T>, key: string, value: T): string | undefined {
  if (map.has(key)) return 'is a domain of another virtual host already';
  map.set(key, value);
  return undefined;
}

function bucketOf<T>(buckets: [number, Map<string, T>][], length: number): Map<string, T> {
  const at = buckets.findIndex(([other]) => other <= length);
  if (at !== -1 && buckets[at]![0] === length) return buckets[at]![1];
  const map = new Map<string, T>();
  buckets.splice(at === -1 ? buckets.length : at, 0, [length, map]);
  return map;
}
