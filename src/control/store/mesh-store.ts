/** The state of the mesh as all sources together describe it, versioned, with the last good of each. */
import { EventEmitter } from 'node:events';
import type { Problem } from '#core/problem.ts';
import { keyOf, type Resource } from '#model/kinds.ts';
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
  #contents = new Map<string, string>();
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
    const all = new Map<string, Resource>();
    for (const { resources } of this.#sources.values()) {
      for (const [key, resource] of resources) if (!all.has(key)) all.set(key, resource);
    }
    return [...all.values()];
  }

  state(source: string): SourceState {
    return this.#sources.get(source) ?? emptyState;
  }

  /** Takes over all that a source now says. Whatever it said before and does not repeat is gone. */
  update(source: string, loaded: Loaded): SourceState {
    const before = this.state(source);
    const state = nextState(before, loaded);
    this.#sources.set(source, state);
    const resources = this.resources;
    const contents = new Map(resources.map((resource) => [keyOf(resource), contentOf(resource)]));
    const keys = differences(this.#contents, contents);
    if (keys.length === 0 && sameProblems(before, state)) return state;
    this.#contents = contents;
    if (keys.length > 0) this.#index = indexResources(resources);
    this.#version++;
    this.emit('change', { version: this.#version, keys });
    return state;
  }
}

/** Everything but the place it came from. */
function contentOf({ origin: _, ...content }: Resource): string {
  return JSON.stringify(content);
}

function differences(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): readonly string[] {
  const changed = [...after].filter(([key, content]) => before.get(key) !== content).map(([key]) => key);
  const removed = [...before.keys()].filter((key) => !after.has(key));
  return [...changed, ...removed];
}

function sameProblems(a: SourceState, b: SourceState): boolean {
  return a.held === b.held && JSON.stringify(a.problems) === JSON.stringify(b.problems);
}
