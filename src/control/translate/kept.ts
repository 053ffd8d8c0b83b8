/**
 * What translation has made of one state of the mesh, taken over for the next where all that it looked at says the same.
 * What was looked at is noted as it is asked for, so that nobody has to say what his work depends on.
 */
import { isSameList } from '#core/same-list.ts';
import type { ResourceIndex } from '../store/resource-index.ts';

interface Work {
  readonly inputs: readonly unknown[];
  readonly value: unknown;
  readonly looks: readonly Look[];
  /** The last state for which it is known to hold. */
  index: WeakRef<ResourceIndex>;
}

/** A question to the index, and what it said. */
interface Look {
  ask(index: ResourceIndex): unknown;
  readonly answer: unknown;
}

const works = new WeakMap<object, Map<string, Work>>();

/**
 * @param of what it is made of, and whose end is its end as well
 * @param name of this work among those on `of`
 * @param inputs all that `make` uses besides the index it is given, compared by identity
 * @param make pure; looks at no other index. Gets what it had made before, so that what is the same may stay the same
 */
export function kept<Value>(
  of: object,
  name: string,
  inputs: readonly unknown[],
  index: ResourceIndex,
  make: (index: ResourceIndex, before: Value | undefined) => Value,
): Value {
  const outer = watches.get(index);
  if (outer !== undefined) {
    // A part of some other work: to that it is one look.
    return look(outer, `work ${[of, name, ...inputs].map(idOf).join()}`, (other) =>
      kept(of, name, inputs, other, make),
    );
  }
  const named = works.get(of) ?? new Map<string, Work>();
  works.set(of, named);
  const known = named.get(name);
  if (known !== undefined && isSameList(known.inputs, inputs)) {
    if (known.index.deref() === index) return known.value as Value;
    if (known.looks.every(({ ask, answer }) => isSame(ask(index), answer))) {
      known.index = refTo(index);
      return known.value as Value;
    }
  }
  const looks = new Map<string, Look>();
  const value = make(watched(index, looks), known?.value as Value | undefined);
  named.set(name, { inputs, value, looks: [...looks.values()], index: refTo(index) });
  return value;
}

const refs = new WeakMap<ResourceIndex, WeakRef<ResourceIndex>>();

function refTo(index: ResourceIndex): WeakRef<ResourceIndex> {
  const ref = refs.get(index) ?? new WeakRef(index);
  refs.set(index, ref);
  return ref;
}

/** Lists are made anew for each answer; what is in them is not. */
function isSame(a: unknown, b: unknown): boolean {
  return Object.is(a, b) || (Array.isArray(a) && Array.isArray(b) && isSameList(a, b));
}

/**
 * A question that is more than one to the index: who makes something of the answer depends on it alone.
 *
 * @param name of the question, in one work
 */
export function asked<Value>(
  index: ResourceIndex,
  name: string,
  ask: (index: ResourceIndex) => Value,
): Value {
  const outer = watches.get(index);
  return outer === undefined ? ask(index) : look(outer, `asked ${name}`, ask);
}

/** A part of the mesh that `find` finds: who asks it something does not depend on the rest. @param name as in {@link asked} */
export function partOf(
  index: ResourceIndex,
  name: string,
  find: (index: ResourceIndex) => ResourceIndex,
): ResourceIndex {
  const outer = watches.get(index);
  if (outer === undefined) return find(index);
  const path = `${outer.path} ${name} >`;
  const known = outer.parts.get(path);
  if (known !== undefined) return known;
  const part = watched(find(outer.index), outer.looks, path, (root) => find(outer.from(root)));
  outer.parts.set(path, part);
  return part;
}

interface Watch {
  readonly index: ResourceIndex;
  readonly looks: Map<string, Look>;
  /** Tells questions to it from those to other parts. */
  readonly path: string;
  /** The part of another state that stands where this one does. */
  from(root: ResourceIndex): ResourceIndex;
  readonly parts: Map<string, ResourceIndex>;
}

const watches = new WeakMap<ResourceIndex, Watch>();

function look<Value>(
  { index, looks, path, from }: Watch,
  key: string,
  ask: (index: ResourceIndex) => Value,
): Value {
  const known = looks.get(`${path} ${key}`);
  if (known !== undefined) return known.answer as Value;
  const answer = ask(index);
  looks.set(`${path} ${key}`, { ask: (root) => ask(from(root)), answer });
  return answer;
}

/** The same index, which notes what is asked of it. */
function watched(
  index: ResourceIndex,
  looks: Map<string, Look>,
  path = '',
  from: Watch['from'] = (root) => root,
): ResourceIndex {
  const watch: Watch = { index, looks, path, from, parts: new Map() };
  const services = watchedServices(watch);
  const proxy = new Proxy(index, {
    get(target, property): unknown {
      const name = property as keyof ResourceIndex;
      if (name === 'services') return services;
      const value: unknown = target[name];
      // What is kept there is asked for by those who keep it.
      if (name === 'derived') return value;
      if (typeof value !== 'function') return look(watch, name, (other) => other[name]);
      return (...args: readonly unknown[]): unknown =>
        look(watch, `${name} ${args.map(idOf).join()}`, (other) =>
          (other[name] as (...args: readonly unknown[]) => unknown)(...args),
        );
    },
  });
  watches.set(proxy, watch);
  return proxy;
}

/** Who asks for one service does not depend on the others. */
function watchedServices(watch: Watch): ResourceIndex['services'] {
  return new Proxy(watch.index.services, {
    get(target, property): unknown {
      if (property === 'get' || property === 'has')
        return (host: string): unknown =>
          look(watch, `services ${property} ${host}`, ({ services }) => services[property](host));
      look(watch, 'services', ({ services }) => services);
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

const ids = new WeakMap<object, number>();
let lastId = 0;

export function idOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'nothing';
  const id = ids.get(value) ?? ++lastId;
  ids.set(value, id);
  return `#${id}`;
}
