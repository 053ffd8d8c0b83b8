/** Streams and files of their own that resources are taken from by name, kept in step with what is named. */
import type { ResourceSource } from '../resource-source.ts';
import type { FileSource } from './file-source.ts';
import { type Interest, type NamedKind, namedKinds } from './interest.ts';
import type { XdsStream } from './stream.ts';

export type FileOrigin = Extract<ResourceSource, { readonly kind: 'file' }>;
export type StreamOrigin = Extract<ResourceSource, { readonly kind: 'stream' }>;

export interface NamedSourcesDeps {
  /** Not started. */
  openStream(kind: NamedKind, source: StreamOrigin): XdsStream;
  /** @param names what is wanted of it now. */
  openFile(kind: NamedKind, source: FileOrigin, names: () => ReadonlySet<string>): FileSource;
  /** Whether this process gives itself what would come from there. */
  isOwn(kind: NamedKind, source: StreamOrigin): boolean;
}

interface Opened {
  want(names: ReadonlySet<string>): void;
  close(): void;
}

export class NamedSources {
  readonly #deps: NamedSourcesDeps;
  readonly #opened: Readonly<Record<NamedKind, Map<string, Opened>>> = {
    route: new Map(),
    virtualHost: new Map(),
    endpoint: new Map(),
    extension: new Map(),
    secret: new Map(),
    runtime: new Map(),
  };

  constructor(deps: NamedSourcesDeps) {
    this.#deps = deps;
  }

  keepInStep(interest: Interest): void {
    for (const kind of namedKinds) {
      const opened = this.#opened[kind];
      const gone = new Set(opened.keys());
      for (const { source, names } of interest[kind].sources()) {
        gone.delete(source.id);
        const known = opened.get(source.id);
        if (known !== undefined) known.want(names);
        else this.#open(kind, source, names);
      }
      for (const id of gone) {
        opened.get(id)?.close();
        opened.delete(id);
      }
    }
  }

  close(): void {
    for (const kind of namedKinds) {
      for (const source of this.#opened[kind].values()) source.close();
      this.#opened[kind].clear();
    }
  }

  #open(kind: NamedKind, source: ResourceSource, names: ReadonlySet<string>): void {
    if (source.kind === 'ads' || source.kind === 'bootstrap') return;
    if (source.kind === 'stream') {
      if (this.#deps.isOwn(kind, source)) return;
      const stream = this.#deps.openStream(kind, source);
      stream.want(kind, names);
      stream.start();
      this.#opened[kind].set(source.id, {
        want: (next) => stream.want(kind, next),
        close: () => stream.close(),
      });
      return;
    }
    let wanted = names;
    const file = this.#deps.openFile(kind, source, () => wanted);
    this.#opened[kind].set(source.id, {
      want(next) {
        const isNew = [...next].some((name) => !wanted.has(name));
        wanted = next;
        // What is there already may be what another one waits for.
        if (isNew) file.reload();
      },
      close: () => file.close(),
    });
  }
}
