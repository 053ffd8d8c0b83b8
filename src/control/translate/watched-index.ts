/**
 * An index that notes what is asked of it, and what the answers were found in: whoever made something of the answers
 * knows then whether another state of the mesh would give the same.
 */
import { isSameList } from '#core/same-list.ts';
import { type Base, baseOf, basesOf, type ResourceIndex } from '../store/resource-index.ts';

/** The index that a work is made of, or a part of it such as what one Sidecar asks for. */
export interface Part {
  /** Tells it from other parts; empty: the whole. */
  readonly path: string;
  /** The part of another state that stands where this one does. */
  at(root: ResourceIndex): ResourceIndex;
}

const whole: Part = { path: '', at: (root) => root };

/** Where answers are found: the same object in two states while nothing of that kind has changed. */
interface Source {
  readonly name: string;
  read(index: ResourceIndex): unknown;
}

type Property = Exclude<keyof ResourceIndex, 'derived' | 'bases'>;

/** What an answer depends on: properties of the index, or what its questions are answered from. */
export type SourceName = Property | `base ${Base}`;

const sources = new Map<SourceName, Source>();
const ofBase = 'base ';

function sourceOf(name: SourceName): Source {
  const known = sources.get(name);
  if (known !== undefined) return known;
  const source: Source = name.startsWith(ofBase)
    ? { name, read: (index) => baseOf(index, name.slice(ofBase.length) as Base) }
    : { name, read: (index) => index[name as Property] };
  sources.set(name, source);
  return source;
}

/** A source of one part, and what it was when it was last known to give the same answers. */
export interface Ref {
  readonly key: string;
  readonly part: Part;
  readonly source: Source;
  value: unknown;
}

/** A question, and whether another state gives the answer that there was. */
export interface Look {
  isSame(root: ResourceIndex): boolean;
}

/** Questions that are answered from the same. */
export interface Group {
  readonly refs: readonly Ref[];
  readonly looks: Look[];
}

/** All that was asked while one thing was made. */
export class Notes {
  readonly #refs = new Map<string, Ref>();
  readonly #groups = new Map<string, Group>();
  readonly #watches: Watch[] = [];

  /** @returns the same index, which notes here what is asked of it until {@link end} */
  watched(index: ResourceIndex, part: Part = whole): ResourceIndex {
    const watch = new Watch(index, this, part);
    this.#watches.push(watch);
    return watchedBy(watch);
  }

  /**
   * Of all that was watched. What is kept may hold on to a function that was made while it was, and that to the index:
   * a whole state of the mesh for every one that something was made in.
   */
  end(): void {
    for (const watch of this.#watches) watch.end();
  }

  get refs(): readonly Ref[] {
    return [...this.#refs.values()];
  }

  /** With lists that take no more room than what is in them. */
  get groups(): readonly Group[] {
    return this.#groups
      .values()
      .map(({ refs, looks }) => ({ refs, looks: [...looks] }))
      .toArray();
  }

  add(key: string, refs: () => readonly Ref[], look: Look): void {
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = { refs: refs().map((ref) => this.#own(ref)), looks: [] };
      this.#groups.set(key, group);
    }
    group.looks.push(look);
  }

  #own(ref: Ref): Ref {
    const known = this.#refs.get(ref.key) ?? ref;
    this.#refs.set(ref.key, known);
    return known;
  }
}

// Looks are kept for long, and there are many: as objects they hold on to nothing but what they need.

class Asked<Value> implements Look {
  readonly #part: Part;
  readonly #ask: (index: ResourceIndex) => Value;
  readonly #answer: Value;

  constructor(part: Part, ask: (index: ResourceIndex) => Value, answer: Value) {
    this.#part = part;
    this.#ask = ask;
    this.#answer = answer;
  }

  isSame(root: ResourceIndex): boolean {
    return isSameAnswer(this.#ask(this.#part.at(root)), this.#answer);
  }
}

class Within implements Look {
  readonly #part: Part;
  readonly #look: Look;

  constructor(part: Part, look: Look) {
    this.#part = part;
    this.#look = look;
  }

  isSame(root: ResourceIndex): boolean {
    return this.#look.isSame(this.#part.at(root));
  }
}

/** One watched index. */
export class Watch {
  readonly part: Part;
  #index: ResourceIndex | undefined;
  readonly #notes: Notes;
  readonly #answers = new Map<string, unknown>();
  readonly #works = new Set<object>();
  readonly #parts = new Map<string, ResourceIndex>();

  constructor(index: ResourceIndex, notes: Notes, part: Part) {
    this.#index = index;
    this.part = part;
    this.#notes = notes;
  }

  get index(): ResourceIndex {
    if (this.#index === undefined) throw new Error('the mesh is looked at after what is made of it was made');
    return this.#index;
  }

  end(): void {
    this.#index = undefined;
    this.#answers.clear();
    this.#works.clear();
    this.#parts.clear();
  }

  /** @param key of the question, in this part */
  look<Value>(key: string, from: readonly SourceName[], ask: (index: ResourceIndex) => Value): Value {
    if (this.#answers.has(key)) return this.#answers.get(key) as Value;
    const { part } = this;
    const answer = ask(this.index);
    this.#answers.set(key, answer);
    const asked = new Asked(part, ask, answer);
    this.#notes.add(`${part.path}|${from.join()}`, () => from.map((name) => this.#ref(name)), asked);
    return answer;
  }

  #ref(name: SourceName): Ref {
    const source = sourceOf(name);
    const { part } = this;
    return { key: `${part.path}|${name}`, part, source, value: source.read(this.index) };
  }

  /**
   * What was made of this part by itself.
   *
   * @param refs of it, as of this part
   * @param signature of these refs
   */
  adopt(work: object, signature: string, refs: readonly Ref[], look: Look): void {
    if (this.#works.has(work)) return;
    this.#works.add(work);
    const { part } = this;
    const own = part === whole ? look : new Within(part, look);
    this.#notes.add(`${part.path}>${signature}`, () => refs.map((ref) => within(part, ref)), own);
  }

  /** @param find pure: the same part of the same state each time */
  sub(name: string, find: (index: ResourceIndex) => ResourceIndex): ResourceIndex {
    const known = this.#parts.get(name);
    if (known !== undefined) return known;
    const part = partWithin(this.part, name, find);
    const found = this.#notes.watched(find(this.index), part);
    this.#parts.set(name, found);
    return found;
  }
}

function within(part: Part, ref: Ref): Ref {
  if (part.path === '') return { ...ref };
  const inner = ref.part;
  const path = `${part.path}${inner.path}`;
  const own: Part = { path, at: (root) => inner.at(part.at(root)) };
  return { ...ref, key: `${path}|${ref.source.name}`, part: inner.path === '' ? part : own };
}

/** Of each state: whoever looks at a part finds it once. */
const found = new WeakMap<ResourceIndex, Map<string, ResourceIndex>>();

function partWithin(outer: Part, name: string, find: (index: ResourceIndex) => ResourceIndex): Part {
  const path = `${outer.path} ${name} >`;
  const at = (root: ResourceIndex): ResourceIndex => {
    const parts = found.get(root) ?? new Map<string, ResourceIndex>();
    found.set(root, parts);
    const known = parts.get(path) ?? find(outer.at(root));
    parts.set(path, known);
    return known;
  };
  return { path, at };
}

/** Lists are made anew for each answer; what is in them is not. */
export function isSameAnswer(a: unknown, b: unknown): boolean {
  return Object.is(a, b) || (Array.isArray(a) && Array.isArray(b) && isSameList(a, b));
}

const watches = new WeakMap<ResourceIndex, Watch>();

/** Undefined for an index that nobody watches. */
export function watchOf(index: ResourceIndex): Watch | undefined {
  return watches.get(index);
}

function watchedBy(watch: Watch): ResourceIndex {
  const services = watchedServices(watch);
  // The proxy itself holds nothing.
  const proxy = new Proxy({} as ResourceIndex, {
    get(_, property): unknown {
      const name = property as keyof ResourceIndex;
      if (name === 'services') return services;
      const { index } = watch;
      // What is kept there is asked for by those who keep it.
      if (name === 'derived' || name === 'bases') return index[name];
      if (typeof index[name] !== 'function') return watch.look(name, [name], reading(name));
      const from = basesOf[name as keyof typeof basesOf] as (...args: readonly unknown[]) => readonly Base[];
      return (...args: readonly unknown[]): unknown =>
        watch.look(
          `${name} ${args.map(idOf).join()}`,
          from(...args).map((base) => `${ofBase}${base}` as const),
          question(name, args),
        );
    },
    ownKeys(): never {
      throw new Error('a watched index is not copied');
    },
  });
  watches.set(proxy, watch);
  return proxy;
}

type Ask = (index: ResourceIndex) => unknown;

const readings = new Map<string, Ask>();

function reading(name: Property): Ask {
  const known = readings.get(name) ?? ((index): unknown => index[name]);
  readings.set(name, known);
  return known;
}

function question(name: keyof ResourceIndex, args: readonly unknown[]): Ask {
  return (index) => (index[name] as (...args: readonly unknown[]) => unknown)(...args);
}

const fromServices: readonly SourceName[] = ['services'];
const none: ResourceIndex['services'] = new Map();

/** Who asks for one service does not depend on the others. */
function watchedServices(watch: Watch): ResourceIndex['services'] {
  return new Proxy(none, {
    get(_, property): unknown {
      if (property === 'get' || property === 'has')
        return (host: string): unknown =>
          watch.look(`services ${property} ${host}`, fromServices, oneService(property, host));
      watch.look('services', fromServices, reading('services'));
      const { services } = watch.index;
      const value: unknown = Reflect.get(services, property, services);
      return typeof value === 'function' ? value.bind(services) : value;
    },
  });
}

function oneService(property: 'get' | 'has', host: string): Ask {
  return ({ services }) => services[property](host);
}

const ids = new WeakMap<object, number>();
let lastId = 0;

function idOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'nothing';
  const id = ids.get(value) ?? ++lastId;
  ids.set(value, id);
  return `#${id}`;
}
