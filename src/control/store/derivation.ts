/** What is worked out of one state of the mesh and taken over by the next, where it is made of the same. */
import { isSameList } from '#core/same-list.ts';

interface Derived {
  readonly inputs: readonly unknown[];
  readonly value: unknown;
}

export class Derivations {
  /** The same for all states: what is kept for as long as there is this mesh, or this part of it, is kept on it. */
  readonly anchor: object;
  readonly #before: ReadonlyMap<string, Derived>;
  readonly #derived = new Map<string, Derived>();

  /** @param before of the last state; nothing is kept of it for longer than this one */
  constructor(before?: Derivations) {
    this.anchor = before?.anchor ?? {};
    this.#before = before === undefined ? new Map() : before.#derived;
  }

  /** @param make called where some input is another than for the last state */
  value<Value>(name: string, inputs: readonly unknown[], make: (before: Value | undefined) => Value): Value {
    const own = this.#derived.get(name);
    const known = own ?? this.#before.get(name);
    const isSame = known !== undefined && isSameList(known.inputs, inputs);
    const value = isSame ? (known.value as Value) : make(known?.value as Value | undefined);
    this.#derived.set(name, { inputs, value });
    return value;
  }

  /** What follows on what there was in the last state, once for this one. */
  next<Value>(name: string, make: (before: Value | undefined) => Value): Value {
    const own = this.#derived.get(name);
    if (own !== undefined) return own.value as Value;
    const value = make(this.#before.get(name)?.value as Value | undefined);
    this.#derived.set(name, { inputs: nothing, value });
    return value;
  }

  /** A list as it was before, where it holds the same. */
  list<Value>(name: string, values: readonly Value[]): readonly Value[] {
    return this.next<readonly Value[]>(name, (before) =>
      before !== undefined && isSameList(before, values) ? before : values,
    );
  }

  /** Those of a part of the mesh, such as what one Sidecar asks for. */
  part(name: string): Derivations {
    return this.next<Derivations>(`part ${name}`, (before) => new Derivations(before));
  }
}

const nothing: readonly never[] = [];

/** The map there was, where it holds the same in the same order. */
export function asBefore<Key, Value>(
  before: ReadonlyMap<Key, Value> | undefined,
  now: ReadonlyMap<Key, Value>,
): ReadonlyMap<Key, Value> {
  if (before === undefined || before.size !== now.size) return now;
  const isSame =
    isSameList([...before.keys()], [...now.keys()]) && isSameList([...before.values()], [...now.values()]);
  return isSame ? before : now;
}
