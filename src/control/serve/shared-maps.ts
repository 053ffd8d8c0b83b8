/** Messages -> encoded resources by name, each list of messages once for all proxies that get it. */
import { layered } from '#xds/layered-resources.ts';
import type { ResourceKind, ResourceMessage } from '#xds/resource-type.ts';
import {
  createResourceEncoder,
  type EncodedResource,
  emptySnapshot,
  type ResourceMap,
  type Snapshot,
} from '#xds/snapshot.ts';
import type { ProxySnapshot } from '../translate/snapshot.ts';

export class SharedMaps {
  readonly #encode = createResourceEncoder();
  readonly #byList = new WeakMap<readonly object[], ResourceMap>();

  snapshot(built: ProxySnapshot): Snapshot {
    const {
      services,
      clusters,
      endpoints,
      listeners,
      routes,
      virtualHosts = [],
      secrets = [],
      extensions = [],
      names,
      group,
    } = built;
    return {
      ...emptySnapshot,
      cluster: this.#split('cluster', clusters, services?.clusters),
      endpoint: this.#split('endpoint', endpoints, services?.endpoints),
      listener: this.#of('listener', listeners),
      route: this.#of('route', routes),
      virtualHost: this.#of('virtualHost', virtualHosts),
      secret: this.#of('secret', secrets),
      extension: this.#of('extension', extensions),
      ...(names !== undefined && { nameTable: this.#one('nameTable', names) }),
      ...(group !== undefined && { workloadGroup: this.#one('workloadGroup', group) }),
    };
  }

  /** @param shared what the list begins with */
  #split<Kind extends ResourceKind>(
    kind: Kind,
    all: readonly ResourceMessage[Kind][],
    shared: readonly ResourceMessage[Kind][] = [],
  ): ResourceMap {
    if (all === shared) return this.#of(kind, shared);
    const known = this.#byList.get(all);
    if (known !== undefined) return known;
    const map = layered(this.#of(kind, shared), this.#of(kind, all.slice(shared.length)));
    this.#byList.set(all, map);
    return map;
  }

  #of<Kind extends ResourceKind>(kind: Kind, messages: readonly ResourceMessage[Kind][]): ResourceMap {
    if (messages.length === 0) return emptySnapshot[kind];
    const known = this.#byList.get(messages);
    if (known !== undefined) return known;
    const encoded = messages.map((message) => this.#encode(kind, message));
    const map: ResourceMap = new Map(encoded.map((resource) => [resource.name, resource]));
    this.#byList.set(messages, map);
    return map;
  }

  #one<Kind extends ResourceKind>(kind: Kind, message: ResourceMessage[Kind]): ResourceMap {
    const known = this.#byMessage.get(message);
    if (known !== undefined) return known;
    const map = this.#of(kind, [message]);
    this.#byMessage.set(message, map);
    return map;
  }

  readonly #byMessage = new WeakMap<object, ResourceMap>();
}

/** The snapshot with further resources, in the place of those of their names. */
export function withResources(snapshot: Snapshot, more: readonly EncodedResource[]): Snapshot {
  const byKind = Map.groupBy(more, ({ kind }) => kind);
  const maps = [...byKind].map(([kind, ofKind]) => {
    const own = ofKind.map((resource) => [resource.name, resource] as const);
    return [kind, new Map([...snapshot[kind], ...own])] as const;
  });
  return { ...snapshot, ...Object.fromEntries(maps) };
}
