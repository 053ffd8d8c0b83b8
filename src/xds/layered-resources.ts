/**
 * Resources of one kind that are mostly those of many proxies: shared ones, and a few of its own. What changed between
 * two of them is found out once for all who share them.
 */
import type { EncodedResource, ResourceMap } from './snapshot.ts';

/** @param own take the place of shared ones of the same name, and follow the others */
export function layered(shared: ResourceMap, own: ResourceMap): ResourceMap {
  return own.size === 0 ? shared : new LayeredResources(shared, own);
}

class LayeredResources implements ResourceMap {
  readonly shared: ResourceMap;
  readonly own: ResourceMap;
  readonly size: number;

  constructor(shared: ResourceMap, own: ResourceMap) {
    this.shared = shared;
    this.own = own;
    let both = 0;
    for (const name of own.keys()) if (shared.has(name)) both++;
    this.size = shared.size + own.size - both;
  }

  get(name: string): EncodedResource | undefined {
    return this.own.get(name) ?? this.shared.get(name);
  }

  has(name: string): boolean {
    return this.own.has(name) || this.shared.has(name);
  }

  *entries(): MapIterator<[string, EncodedResource]> {
    for (const entry of this.shared) if (!this.own.has(entry[0])) yield entry;
    yield* this.own;
  }

  *keys(): MapIterator<string> {
    for (const [name] of this.entries()) yield name;
  }

  *values(): MapIterator<EncodedResource> {
    for (const [, resource] of this.entries()) yield resource;
  }

  [Symbol.iterator](): MapIterator<[string, EncodedResource]> {
    return this.entries();
  }

  forEach(callback: (resource: EncodedResource, name: string, map: ResourceMap) => void): void {
    for (const [name, resource] of this) callback(resource, name, this);
  }
}

/** Names of what is not the same in both, those of `after` in its order; a few that are the same may be among them. */
export function namesThatMayDiffer(before: ResourceMap, after: ResourceMap): readonly string[] {
  if (before === after) return none;
  const [sharedBefore, ownBefore] = layersOf(before);
  const [sharedAfter, ownAfter] = layersOf(after);
  const shared = sharedDifference(sharedBefore, sharedAfter);
  if (ownBefore === ownAfter) return shared;
  const own = difference(ownBefore, ownAfter);
  return own.length === 0 ? shared : [...new Set([...shared, ...own])];
}

export function isSameMap(before: ResourceMap, after: ResourceMap): boolean {
  return namesThatMayDiffer(before, after).every(
    (name) => before.get(name)?.version === after.get(name)?.version,
  );
}

const none: readonly string[] = [];
const nothing: ResourceMap = new Map();

function layersOf(map: ResourceMap): readonly [shared: ResourceMap, own: ResourceMap] {
  return map instanceof LayeredResources ? [map.shared, map.own] : [map, nothing];
}

const differences = new WeakMap<ResourceMap, WeakMap<ResourceMap, readonly string[]>>();

function sharedDifference(before: ResourceMap, after: ResourceMap): readonly string[] {
  if (before === after) return none;
  const from = differences.get(before) ?? new WeakMap<ResourceMap, readonly string[]>();
  differences.set(before, from);
  const found = from.get(after) ?? difference(before, after);
  from.set(after, found);
  return found;
}

function difference(before: ResourceMap, after: ResourceMap): readonly string[] {
  const names: string[] = [];
  for (const [name, { version }] of after) if (before.get(name)?.version !== version) names.push(name);
  for (const name of before.keys()) if (!after.has(name)) names.push(name);
  return names;
}
