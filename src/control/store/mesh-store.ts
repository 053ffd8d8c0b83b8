/** The state of the mesh as all sources together describe it, versioned, with the last good of each. */
import { EventEmitter } from 'node:events';
import type { Problem } from '#core/problem.ts';
import type { Resource } from '#model/kinds.ts';
import type { Loaded } from '#model/load.ts';
import { emptyState, nextState, type SourceState } from './last-good.ts';
import { indexResources, type ResourceIndex } from './resource-index.ts';

export interface StoreChange {
  /** Counts the states of this store from 1. */
  readonly version: number;
  /** `Kind namespace/name` of what was added, changed or removed; empty if only the problems changed. */
  readonly keys: readonly string[];
}

/**
 * Emits `change` after a source brought something that differs. Sources have names, such as `files`
 * and `pods`; a resource that two of them bring is the one of the source that came first.
 */
export class MeshStore extends EventEmitter<{ change: [change: StoreChange] }> {
  readonly #sources = new Map<string, SourceState>();
  #index: ResourceIndex = indexResources([]);
  #resources: ReadonlyMap<string, Resource> = new Map();
  /** Read again, and the same as one there was. */
  readonly #same = new WeakMap<Resource, Resource>();
  #version = 0;

  /** Never changes; a new state is another object. */
  get index(): ResourceIndex {
    return this.#index;
  }

  get version(): number {
    return this.#version;
  }

  /** Of all sources, as of their newest texts. */
  get problems(): readonly Problem[] {
    return [...this.#sources.values()].flatMap(({ problems }) => problems);
  }

  /** Unsupported parts that were let pass: the mesh is less strict than written. */
  get allowed(): readonly Problem[] {
    return [...this.#sources.values()].flatMap(({ allowed }) => allowed);
  }

  /** In force, of all sources. */
  get resources(): readonly Resource[] {
    return [...this.#resources.values()];
  }

  state(source: string): SourceState {
    return this.#sources.get(source) ?? emptyState;
  }

  /** Takes over all that a source now says. Whatever it said before and does not repeat is gone. */
  update(source: string, loaded: Loaded): SourceState {
    const before = this.state(source);
    const state = nextState(before, loaded);
    this.#sources.set(source, state);
    const resources = this.#ofAll();
    const keys = differences(this.#resources, resources);
    this.#resources = resources;
    if (keys.length === 0 && sameProblems(before, state)) return state;
    if (keys.length > 0) this.#index = indexResources([...resources.values()], this.#index);
    this.#version++;
    this.emit('change', { version: this.#version, keys });
    return state;
  }

  #ofAll(): ReadonlyMap<string, Resource> {
    const all = new Map<string, Resource>();
    for (const { resources } of this.#sources.values()) {
      for (const [key, resource] of resources) if (!all.has(key)) all.set(key, this.#known(key, resource));
    }
    return all;
  }

  /** The object there was, if it says the same: what was made of it is good for it still. */
  #known(key: string, resource: Resource): Resource {
    const before = this.#resources.get(key);
    if (before === undefined || before === resource) return resource;
    if (this.#same.get(resource) === before) return before;
    if (contentOf(before) !== contentOf(resource)) return resource;
    this.#same.set(resource, before);
    // It may have moved within its file.
    Object.assign(before, { origin: resource.origin });
    return before;
  }
}

function differences(
  before: ReadonlyMap<string, Resource>,
  after: ReadonlyMap<string, Resource>,
): readonly string[] {
  const changed: string[] = [];
  let stayed = 0;
  for (const [key, resource] of after) {
    const known = before.get(key);
    if (known !== undefined) stayed++;
    if (known !== resource) changed.push(key);
  }
  const removed = stayed === before.size ? [] : [...before.keys()].filter((key) => !after.has(key));
  return [...changed, ...removed];
}

/** Everything but the place it came from. */
function contentOf({ origin: _, ...content }: Resource): string {
  return JSON.stringify(content);
}

function sameProblems(a: SourceState, b: SourceState): boolean {
  if (a.held !== b.held || a.problems.length !== b.problems.length) return false;
  return JSON.stringify(a.problems) === JSON.stringify(b.problems);
}
