/**
 * What one proxy should have: resources by kind and name, encoded once and shared by all proxies that
 * need the same bytes. Versions are hashes of contents, so equal configuration has equal versions on every
 * replica and after every restart.
 */
import { create, type Message, toBinary } from '@bufbuild/protobuf';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';
import { xxhash64Hex } from '#core/xxhash64.ts';
import { isSameMap } from './layered-resources.ts';
import {
  type ResourceKind,
  type ResourceMessage,
  type ResourceType,
  resourceKinds,
  resourceTypes,
} from './resource-type.ts';

/** Never changed after it was made; `any.value` is shared and must not be written to. */
export interface EncodedResource {
  readonly kind: ResourceKind;
  readonly name: string;
  /** Sixteen hexadecimal digits: the hash of the bytes. */
  readonly version: string;
  readonly any: Any;
  /** Names of the endpoint resources a cluster waits for; of other kinds none. */
  readonly endpoints: readonly string[];
}

export function encodeResource<Kind extends ResourceKind>(
  kind: Kind,
  message: ResourceMessage[Kind],
): EncodedResource {
  const type: ResourceType<Kind> = resourceTypes[kind];
  const value = toBinary(type.schema, message as Message);
  return {
    kind,
    name: type.nameOf(message),
    version: xxhash64Hex(value),
    any: create(AnySchema, { typeUrl: type.typeUrl, value }),
    endpoints: type.endpointsOf(message),
  };
}

/** An encoder that gives the same object for the same bytes for as long as somebody holds it. */
export type ResourceEncoder = <Kind extends ResourceKind>(
  kind: Kind,
  message: ResourceMessage[Kind],
) => EncodedResource;

/** One of these for all proxies of a control plane. A message already encoded costs a look-up: do not change it. */
export function createResourceEncoder(): ResourceEncoder {
  const byMessage = new WeakMap<Message, EncodedResource>();
  const byContent = new Map<string, WeakRef<EncodedResource>>();
  const forgotten = new FinalizationRegistry<string>((key) => {
    if (byContent.get(key)?.deref() === undefined) byContent.delete(key);
  });
  return (kind, message) => {
    const known = byMessage.get(message);
    if (known !== undefined) return known;
    const fresh = encodeResource(kind, message);
    const key = `${kind}/${fresh.version}/${fresh.name}`;
    const shared = byContent.get(key)?.deref();
    if (shared === undefined) {
      byContent.set(key, new WeakRef(fresh));
      forgotten.register(fresh, key);
    }
    const encoded = shared ?? fresh;
    byMessage.set(message, encoded);
    return encoded;
  };
}

export type ResourceMap = ReadonlyMap<string, EncodedResource>;

/** Swapped whole, never changed. */
export type Snapshot = { readonly [Kind in ResourceKind]: ResourceMap };

const noResources: ResourceMap = new Map();

export const emptySnapshot: Snapshot = {
  cluster: noResources,
  endpoint: noResources,
  listener: noResources,
  route: noResources,
  virtualHost: noResources,
  extension: noResources,
  secret: noResources,
  runtime: noResources,
  nameTable: noResources,
  workloadGroup: noResources,
};

/**
 * @param previous what the proxy had before: the maps of kinds that are still equal are taken over,
 *   so that a stream sees at once that nothing of that kind changed.
 */
export function snapshotOf(
  resources: Iterable<EncodedResource>,
  previous: Snapshot = emptySnapshot,
): Snapshot {
  const next: { [Kind in ResourceKind]: Map<string, EncodedResource> } = {
    cluster: new Map(),
    endpoint: new Map(),
    listener: new Map(),
    route: new Map(),
    virtualHost: new Map(),
    extension: new Map(),
    secret: new Map(),
    runtime: new Map(),
    nameTable: new Map(),
    workloadGroup: new Map(),
  };
  for (const resource of resources) next[resource.kind].set(resource.name, resource);
  return withoutRepetition(next, previous);
}

/** `next`, with the maps of `previous` where they say the same. */
export function withoutRepetition(next: Snapshot, previous: Snapshot): Snapshot {
  const snapshot: { [Kind in ResourceKind]: ResourceMap } = { ...next };
  for (const kind of resourceKinds) {
    if (isSameMap(previous[kind], next[kind])) snapshot[kind] = previous[kind];
  }
  return snapshot;
}

export interface ResourceDiff {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

/** Names by what happened to them, in the order of `after`, removed ones in the order of `before`. */
export function diffResources(before: ResourceMap, after: ResourceMap): ResourceDiff {
  const added: string[] = [];
  const changed: string[] = [];
  for (const [name, { version }] of after) {
    const old = before.get(name);
    if (old === undefined) added.push(name);
    else if (old.version !== version) changed.push(name);
  }
  return { added, changed, removed: [...before.keys()].filter((name) => !after.has(name)) };
}

const textEncoder = new TextEncoder();

/** The version of a set of resources, whatever their order: what state-of-the-world calls `version_info`. */
export function versionOfSet(versions: Iterable<readonly [name: string, version: string]>): string {
  const lines = Array.from(versions, ([name, version]) => `${name}\0${version}`).sort();
  return xxhash64Hex(textEncoder.encode(lines.join('\n')));
}
