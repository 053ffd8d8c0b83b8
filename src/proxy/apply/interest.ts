/** What the configuration names of other resources, by where it is to be asked for. */
import type { ResourceKind } from '#xds/resource-type.ts';
import type { ResourceSource, Wanted } from '../resource-source.ts';

/** Kinds of resources that are asked for by name. */
export const namedKinds = ['route', 'virtualHost', 'endpoint', 'extension', 'secret', 'runtime'] as const;
export type NamedKind = (typeof namedKinds)[number];

export function isNamed(kind: ResourceKind): kind is NamedKind {
  return namedKinds.includes(kind as NamedKind);
}

export interface SourceInterest {
  readonly source: ResourceSource;
  readonly names: ReadonlySet<string>;
}

const none: ReadonlySet<string> = new Set();

/** All that is wanted of one kind. */
export class WantedNames {
  readonly #bySource = new Map<string, { readonly source: ResourceSource; readonly names: Set<string> }>();
  /** What they are called in here. */
  readonly keys: Set<string> = new Set();

  add({ name, key, source }: Wanted): void {
    this.keys.add(key);
    const known = this.#bySource.get(source.id);
    if (known === undefined) this.#bySource.set(source.id, { source, names: new Set([name]) });
    else known.names.add(name);
  }

  /** @param id '' is the ADS stream */
  of(id: string): ReadonlySet<string> {
    return this.#bySource.get(id)?.names ?? none;
  }

  sources(): Iterable<SourceInterest> {
    return this.#bySource.values();
  }
}

export type Interest = Readonly<Record<NamedKind, WantedNames>>;

export function noInterest(): Interest {
  return {
    route: new WantedNames(),
    virtualHost: new WantedNames(),
    endpoint: new WantedNames(),
    extension: new WantedNames(),
    secret: new WantedNames(),
    runtime: new WantedNames(),
  };
}
