/**
 * Every resource the proxy was given, in its states, for `/config_dump`: in force, waiting for what
 * it depends on, and the last version that was refused. The data path does not read this.
 */
import { type Message, toBinary } from '@bufbuild/protobuf';
import { atOnce, oneStep, type Steps } from '#core/time-slice.ts';
import { decodeSteps } from '#xds/gradual-decoder.ts';
import { type ResourceKind, resourceTypes } from '#xds/resource-type.ts';
import { bytesOfText, type HeldText, heldText } from '../held-text.ts';

/** A resource as it is kept: its message, or the text of its bytes, which takes a tenth of the memory. */
export type HeldResource = Message | HeldText;

export function heldOf({
  message,
  encoded,
}: {
  readonly message: Message;
  readonly encoded?: Uint8Array | undefined;
}): HeldResource {
  return encoded === undefined ? message : heldText(encoded);
}

function decoded(kind: ResourceKind, held: HeldResource): Steps<Message> {
  if (typeof held === 'string') return decodeSteps(resourceTypes[kind].schema, bytesOfText(held));
  return oneStep(() => held);
}

/** One version of a resource. */
export class ResourceVersion {
  readonly kind: ResourceKind;
  /** '' for what stood in the bootstrap. */
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly updatedMs: number;
  #held: HeldResource;

  constructor(kind: ResourceKind, version: string, held: HeldResource, updatedMs: number) {
    this.kind = kind;
    this.version = version;
    this.#held = held;
    this.updatedMs = updatedMs;
  }

  /** Decoded anew each time, where only the bytes are kept. */
  get message(): Message {
    return atOnce(this.decoded());
  }

  decoded(): Steps<Message> {
    return decoded(this.kind, this.#held);
  }

  get held(): HeldResource {
    return this.#held;
  }

  /** Keeps the bytes alone. */
  pack(): void {
    if (typeof this.#held !== 'string')
      this.#held = heldText(toBinary(resourceTypes[this.kind].schema, this.#held));
  }
}

export interface RefusedVersion {
  readonly version: string;
  /** Absent where it could not even be decoded. */
  readonly decoded: (() => Steps<Message>) | undefined;
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
    held: HeldResource,
    origin: ResourceEntry['origin'],
  ): void {
    const entry = this.#entry(kind, name, origin);
    entry.origin = origin;
    entry.warming = new ResourceVersion(kind, version, held, this.#nowMs());
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
    held: HeldResource | undefined,
    details: string,
  ): void {
    const entry = this.#entry(kind, name, 'dynamic');
    entry.refused = {
      version,
      decoded: held === undefined ? undefined : () => decoded(kind, held),
      attemptedMs: this.#nowMs(),
      details,
    };
  }

  /** It came again as it is in force. */
  forgetRefusal(kind: ResourceKind, name: string): void {
    const entry = this.#entries.get(kind)?.get(name);
    if (entry !== undefined) entry.refused = undefined;
  }

  remove(kind: ResourceKind, name: string): void {
    this.#entries.get(kind)?.delete(name);
  }

  /** Lets go of what was only ever refused, but for those of the names. */
  forgetRefused(kind: ResourceKind, names: ReadonlySet<string>): void {
    for (const { name, active, warming } of this.entries(kind))
      if ((active ?? warming) === undefined && !names.has(name)) this.remove(kind, name);
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

  /** Keeps the bytes alone of what came as a message; who has them decoded next waits for it. */
  *pack(): Steps<void> {
    for (const ofKind of this.#entries.values()) {
      for (const { active } of [...ofKind.values()]) {
        active?.pack();
        yield;
      }
    }
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
