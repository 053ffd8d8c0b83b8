/**
 * What translation has made of one state of the mesh, taken over for the next where all that it looked at says the same.
 * What was looked at is noted as it is asked for, so that nobody has to say what his work depends on; and while nothing
 * of the kinds that were looked at has changed, nothing is asked again.
 */
import { isSameList } from '#core/same-list.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import {
  type Group,
  isSameAnswer,
  type Look,
  Notes,
  type Ref,
  type SourceName,
  watchOf,
} from './watched-index.ts';

interface Work {
  readonly inputs: readonly unknown[];
  readonly value: unknown;
  readonly groups: readonly Group[];
  /** Of all groups. */
  readonly refs: readonly Ref[];
  /** Equal for works with the same refs. */
  readonly signature: string;
  /** The last state for which it is known to hold. */
  index: WeakRef<ResourceIndex>;
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
  make: Make<Value>,
): Value {
  const outer = watchOf(index);
  if (outer === undefined) return workOf(of, name, inputs, index, make).value as Value;
  // A part of some other work: to that it is one look.
  const work = workOf(of, name, inputs, outer.index, make);
  outer.adopt(work, work.signature, work.refs, new Again(of, name, inputs, make, work));
  return work.value as Value;
}

type Make<Value> = (index: ResourceIndex, before: Value | undefined) => Value;

class Again<Value> implements Look {
  readonly #of: object;
  readonly #name: string;
  readonly #inputs: readonly unknown[];
  readonly #make: Make<Value>;
  readonly #value: unknown;
  readonly #signature: string;

  constructor(
    of: object,
    name: string,
    inputs: readonly unknown[],
    make: Make<Value>,
    { value, signature }: Work,
  ) {
    this.#of = of;
    this.#name = name;
    this.#inputs = inputs;
    this.#make = make;
    this.#value = value;
    this.#signature = signature;
  }

  isSame(index: ResourceIndex): boolean {
    const now = workOf(this.#of, this.#name, this.#inputs, index, this.#make);
    // Who depends on something else now is not known by what it depended on.
    return now.signature === this.#signature && isSameAnswer(now.value, this.#value);
  }
}

function workOf<Value>(
  of: object,
  name: string,
  inputs: readonly unknown[],
  index: ResourceIndex,
  make: Make<Value>,
): Work {
  let named = works.get(of);
  if (named === undefined) {
    named = new Map();
    works.set(of, named);
  }
  const known = named.get(name);
  if (known !== undefined && isSameList(known.inputs, inputs) && holds(known, index)) return known;
  const notes = new Notes();
  const value = make(notes.watched(index), known?.value as Value | undefined);
  notes.end();
  const { refs, groups } = notes;
  const signature = refs.map(({ key }) => key).join(';');
  const work = { inputs, value, groups, refs, signature, index: refTo(index) };
  named.set(name, work);
  return work;
}

function holds(work: Work, index: ResourceIndex): boolean {
  if (work.index.deref() === index) return true;
  let changed: Map<Ref, unknown> | undefined;
  for (const ref of work.refs) {
    const value = ref.source.read(ref.part.at(index));
    if (value === ref.value) continue;
    changed ??= new Map();
    changed.set(ref, value);
  }
  if (changed !== undefined) {
    const of = changed;
    for (const { refs, looks } of work.groups) {
      if (refs.some((ref) => of.has(ref)) && !looks.every((look) => look.isSame(index))) return false;
    }
    for (const [ref, value] of changed) ref.value = value;
  }
  work.index = refTo(index);
  return true;
}

const refsTo = new WeakMap<ResourceIndex, WeakRef<ResourceIndex>>();

function refTo(index: ResourceIndex): WeakRef<ResourceIndex> {
  const ref = refsTo.get(index) ?? new WeakRef(index);
  refsTo.set(index, ref);
  return ref;
}

/**
 * A question that is more than one to the index: who makes something of the answer depends on it alone.
 *
 * @param name of the question, in one work
 * @param from all that the answer is found in
 */
export function asked<Value>(
  index: ResourceIndex,
  name: string,
  from: readonly SourceName[],
  ask: (index: ResourceIndex) => Value,
): Value {
  const outer = watchOf(index);
  return outer === undefined ? ask(index) : outer.look(`asked ${name}`, from, ask);
}

/**
 * A part of the mesh that `find` finds: who asks it something does not depend on the rest.
 *
 * @param name of the part: in one state, what has one name is the same
 */
export function partOf(
  index: ResourceIndex,
  name: string,
  find: (index: ResourceIndex) => ResourceIndex,
): ResourceIndex {
  const outer = watchOf(index);
  return outer === undefined ? find(index) : outer.sub(name, find);
}
