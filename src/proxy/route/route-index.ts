/**
 * Which routes of a virtual host can match a path at all, so that a request is not shown to each of many
 * routes. What is found is the first route that matches, as if all were asked in order.
 */

/** What a matcher of paths says before it is asked: other paths do not match. `text` is in lower case where case does not count. */
export type PathKey =
  | { readonly kind: 'exact' | 'prefix'; readonly text: string; readonly caseMatters: boolean }
  | { readonly kind: 'any' };

/** A matcher of paths that says nothing of them. */
export const anyPath: PathKey = { kind: 'any' };

/** Up to here asking each route in order costs no more than looking them up. */
const FEW = 8;

/** Routes that have a prefix in common. */
interface PrefixNode<T> {
  readonly text: string;
  /** In ascending order of their positions. */
  readonly places: Places<T>;
  /** The longest other prefix that is one of this text. */
  parent: PrefixNode<T> | undefined;
}

/** Routes by their positions, in ascending order. */
interface Places<T> {
  readonly positions: number[];
  readonly routes: T[];
}

type Matches<T, R> = (route: T, request: R, path: string) => boolean;

/** Routes whose paths are compared in one way: as they are, or in lower case. */
class PathTable<T> {
  readonly #exact = new Map<string, Places<T>>();
  readonly #prefixes = new Map<string, PrefixNode<T>>();
  /** In order of their texts' UTF-16 units. */
  #sorted: readonly PrefixNode<T>[] = [];

  get isEmpty(): boolean {
    return this.#exact.size === 0 && this.#prefixes.size === 0;
  }

  add(kind: 'exact' | 'prefix', text: string, position: number, route: T): void {
    const places = kind === 'exact' ? this.#exactPlaces(text) : this.#prefixNode(text).places;
    places.positions.push(position);
    places.routes.push(route);
  }

  #exactPlaces(text: string): Places<T> {
    const known = this.#exact.get(text);
    if (known !== undefined) return known;
    const places = emptyPlaces<T>();
    this.#exact.set(text, places);
    return places;
  }

  #prefixNode(text: string): PrefixNode<T> {
    const known = this.#prefixes.get(text);
    if (known !== undefined) return known;
    const node: PrefixNode<T> = { text, places: emptyPlaces(), parent: undefined };
    this.#prefixes.set(text, node);
    return node;
  }

  /** After the last `add`. */
  seal(): void {
    const sorted = [...this.#prefixes.values()].sort((a, b) => (a.text < b.text ? -1 : 1));
    // Texts that begin with another one follow it at once: those that it may be a prefix of are a chain.
    let chain: PrefixNode<T> | undefined;
    for (const node of sorted) {
      while (chain !== undefined && !node.text.startsWith(chain.text)) chain = chain.parent;
      node.parent = chain;
      chain = node;
    }
    this.#sorted = sorted;
  }

  exact(path: string): Places<T> | undefined {
    return this.#exact.get(path);
  }

  /** The longest prefix of the path; the others are its parents. */
  longestPrefix(path: string): PrefixNode<T> | undefined {
    const sorted = this.#sorted;
    let from = 0;
    let to = sorted.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (sorted[middle]!.text <= path) from = middle + 1;
      else to = middle;
    }
    // Every prefix of the path stands before it, and is one of whatever stands between.
    let node = from === 0 ? undefined : sorted[from - 1];
    while (node !== undefined && !path.startsWith(node.text)) node = node.parent;
    return node;
  }
}

function emptyPlaces<T>(): Places<T> {
  return { positions: [], routes: [] };
}

/** @template T a route @template R a request */
export class RouteIndex<T, R> {
  readonly #routes: readonly T[];
  readonly #matches: Matches<T, R>;
  /** Where it is worth its while. */
  readonly #tables: { readonly asIs: PathTable<T>; readonly lower: PathTable<T> } | undefined;
  readonly #rest: Places<T> = emptyPlaces();

  /**
   * @param keys of the routes, in the same order
   * @param matches whether a route matches, all told; false wherever its key says so
   */
  constructor(routes: readonly T[], keys: readonly PathKey[], matches: Matches<T, R>) {
    this.#routes = routes;
    this.#matches = matches;
    if (routes.length <= FEW) return;
    const tables = { asIs: new PathTable<T>(), lower: new PathTable<T>() };
    for (const [position, route] of routes.entries()) {
      const key = keys[position]!;
      if (key.kind === 'any' || key.text === '') {
        this.#rest.positions.push(position);
        this.#rest.routes.push(route);
      } else tables[key.caseMatters ? 'asIs' : 'lower'].add(key.kind, key.text, position, route);
    }
    tables.asIs.seal();
    tables.lower.seal();
    this.#tables = tables;
  }

  /** @param path without query and fragment */
  find(request: R, path: string): T | undefined {
    if (this.#tables === undefined) {
      const routes = this.#routes;
      for (let i = 0; i < routes.length; i++) if (this.#matches(routes[i]!, request, path)) return routes[i];
      return undefined;
    }
    let first = this.#routes.length;
    const { asIs, lower } = this.#tables;
    if (!asIs.isEmpty) first = this.#firstOf(asIs, path, request, path, first);
    if (!lower.isEmpty) first = this.#firstOf(lower, path.toLowerCase(), request, path, first);
    first = this.#firstIn(this.#rest, request, path, first);
    return this.#routes[first];
  }

  /** @param key the path as the table has it */
  #firstOf(table: PathTable<T>, key: string, request: R, path: string, before: number): number {
    let first = before;
    const exact = table.exact(key);
    if (exact !== undefined) first = this.#firstIn(exact, request, path, first);
    for (let node = table.longestPrefix(key); node !== undefined; node = node.parent) {
      first = this.#firstIn(node.places, request, path, first);
    }
    return first;
  }

  /** The position of the first that matches and stands before `before`, or that. */
  #firstIn({ positions, routes }: Places<T>, request: R, path: string, before: number): number {
    for (let i = 0; i < positions.length && positions[i]! < before; i++) {
      if (this.#matches(routes[i]!, request, path)) return positions[i]!;
    }
    return before;
  }
}

/** Characters that mean something in RE2. */
const SPECIAL = /[\\.+*?()[\]{}|^$]/;

/** What every text begins with that the whole of a regular expression (RE2) matches; maybe less than there is. */
export function literalPrefixOf(regex: string): string {
  // A choice may be the outermost thing, and flags change what letters mean.
  if (regex.includes('|') || regex.includes('(?')) return '';
  let prefix = '';
  for (let i = regex.startsWith('^') ? 1 : 0; i < regex.length; ) {
    let char = regex[i]!;
    let next = i + 1;
    if (char === '\\') {
      char = regex[next] ?? '';
      // A letter or a digit after it is a class, an anchor or a number of a character.
      if (char === '' || /[\p{L}\p{N}_]/u.test(char)) return prefix;
      next++;
    } else if (SPECIAL.test(char)) return prefix;
    const repeat = regex[next];
    if (repeat === '*' || repeat === '?' || repeat === '{') return prefix;
    // Half of a pair would be no character.
    if (char >= '\ud800' && char <= '\udfff') return prefix;
    prefix += char;
    if (repeat === '+') return prefix;
    i = next;
  }
  return prefix;
}
