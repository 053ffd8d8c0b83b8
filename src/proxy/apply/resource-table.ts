/**
 * Every resource the proxy was given, in its states, for `/config_dump`: in force, waiting for what
 * it depends on, and the last version that was refused. The data path does not read this.
 */
import type { Message } from '@bufbuild/protobuf';
import type { ResourceKind } from '#xds/resource-type.ts';

/** One version of a resource. */
export interface ResourceVersion {
  /** '' for what stood in the bootstrap. */
  readonly version: string;
  readonly message: Message;
  /** Milliseconds since 1970. */
  readonly updatedMs: number;
}

export interface RefusedVersion {
  readonly version: string;
  /** Absent where it could not even be decoded. */
  readonly message: Message | undefined;
  readonly attemptedMs: number;
  /** All problems, one a line. */
  readonly details: string;
}

export interface ResourceEntry {
  readonly name: string;
  readonly origin: 'static' | 'dynamic';
  readonly active: ResourceVersion | undefined;
  readonly warming: ResourceVersion | undefined;
  readonly refused: RefusedVersion | undefined;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class ResourceTable {
  readonly #entries = new Map<ResourceKind, Map<string, Mutable<ResourceEntry>>>();
  /** Version of the last accepted response of each kind (state of the world only). */
  readonly #systemVersions = new Map<ResourceKind, string>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Accepted, not yet in force. */
  warm(
    kind: ResourceKind,
    name: string,
    version: string,
    message: Message,
    origin: ResourceEntry['origin'],
  ): void {
    const entry = this.#entry(kind, name, origin);
    entry.origin = origin;
    entry.warming = { version, message, updatedMs: this.#nowMs() };
    entry.refused = undefined;
  }

  /** What was warming is now in force. */
  activate(kind: ResourceKind, name: string): void {
    const entry = this.#entries.get(kind)?.get(name);
    if (entry?.warming === undefined) return;
    entry.active = entry.warming;
    entry.warming = undefined;
  }

  refuse(
    kind: ResourceKind,
    name: string,
    version: string,
    message: Message | undefined,
    details: string,
  ): void {
    const entry = this.#entry(kind, name, 'dynamic');
    entry.refused = { version, message, attemptedMs: this.#nowMs(), details };
  }

  remove(kind: ResourceKind, name: string): void {
    this.#entries.get(kind)?.delete(name);
  }

  get(kind: ResourceKind, name: string): ResourceEntry | undefined {
    return this.#entries.get(kind)?.get(name);
  }

  /** In the order of their arrival. */
  entries(kind: ResourceKind): readonly ResourceEntry[] {
    return [...(this.#entries.get(kind)?.values() ?? [])];
  }

  setSystemVersion(kind: ResourceKind, version: string): void {
    this.#systemVersions.set(kind, version);
  }

  systemVersion(kind: ResourceKind): string {
    return this.#systemVersions.get(kind) ?? '';
  }

  #entry(kind: ResourceKind, name: string, origin: ResourceEntry['origin']): Mutable<ResourceEntry> {
    let ofKind = this.#entries.get(kind);
    if (ofKind === undefined) {
      ofKind = new Map();
      this.#entries.set(kind, ofKind);
    }
    let entry = ofKind.get(name);
    if (entry === undefined) {
      entry = { name, origin, active: undefined, warming: undefined, refused: undefined };
      ofKind.set(name, entry);
    }
    return entry;
  }
}
