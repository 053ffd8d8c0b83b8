/** What resources name, for tests of what configures a proxy. */
import { keyOf, type ResourceSource, type Wanted } from '#proxy/resource-source.ts';

/** A resource of a server's own stream (state of the world), through `cluster`. */
export function fromServer(cluster: string, name: string): Wanted {
  const stream = { protocol: 'sotw', services: [{ cluster, initialMetadata: [] }] } as const;
  return wantedFrom({ kind: 'stream', id: `sotw:${cluster}`, stream }, name);
}

export function fromFile(path: string, name: string): Wanted {
  return wantedFrom(fileAt(path), name);
}

export function fileAt(path: string): ResourceSource {
  return { kind: 'file', id: `file:${path}`, path };
}

function wantedFrom(source: ResourceSource, name: string): Wanted {
  return { name, key: keyOf(name, source), source, path: 'source', timeoutMs: undefined };
}
