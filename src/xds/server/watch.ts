/**
 * What one client knows and wants of one kind of resources: its subscription, what it was told,
 * what it answered. Both variants of the protocol keep the same books.
 */
import { type ResourceKind, resourceTypes } from '../resource-type.ts';
import type { EncodedResource, ResourceMap } from '../snapshot.ts';
import type { KindStatus, Nack, SyncState } from './contract.ts';

/** What to tell a client. */
export interface Content {
  readonly upserts: readonly EncodedResource[];
  /** Asked for by name and not there. */
  readonly absent: readonly string[];
  /** Told of before and no longer there. */
  readonly removals: readonly string[];
}

/** What the client was told last about one resource; no bytes when it brought the version from an earlier stream. */
export interface Told {
  readonly version: string;
  readonly resource?: EncodedResource;
}

interface InFlight {
  readonly nonce: string;
  readonly content: Content;
}

export class Watch {
  readonly kind: ResourceKind;
  wildcard = false;
  readonly names: Set<string> = new Set();
  readonly told: Map<string, Told> = new Map();
  /** The client has given a name or "*", so that an empty list no longer asks for everything. */
  namesGiven = false;
  /** To be sent even if the client was told of them: it may have forgotten. */
  readonly owed: Set<string> = new Set();
  /** The client waits for an answer, be it empty. */
  replyOwed = false;
  /** Whether snapshot or subscription changed since `pending` was last looked at. */
  dirty = true;
  /** Removals wait until nothing points at the removed any more. */
  removalsHeld = false;

  readonly acked: Map<string, string> = new Map();
  readonly #toldAbsent = new Set<string>();
  readonly #refused = new Set<string>();
  #inFlight: InFlight | undefined;
  #nack: Nack | undefined;
  #sentAtMs: number | undefined;
  #ackedAtMs: number | undefined;

  constructor(kind: ResourceKind) {
    this.kind = kind;
  }

  get inFlight(): boolean {
    return this.#inFlight !== undefined;
  }

  /** Whether the client has acted upon all it should have. */
  get settled(): boolean {
    return !this.dirty && this.#inFlight === undefined && this.#nack === undefined;
  }

  covers(name: string): boolean {
    return this.wildcard || this.names.has(name);
  }

  /** The client no longer listens for `name`, and forgets it. */
  forget(name: string): void {
    this.told.delete(name);
    this.acked.delete(name);
    this.owed.delete(name);
    this.#toldAbsent.delete(name);
    this.#refused.delete(name);
    if (this.#refused.size === 0) this.#nack = undefined;
  }

  /** The client says it holds this version already. */
  hold(name: string, version: string): void {
    this.told.set(name, { version });
    this.acked.set(name, version);
  }

  /** What the client has not been told of `resources`. */
  pending(resources: ResourceMap): Content {
    const upserts: EncodedResource[] = [];
    for (const resource of this.#wanted(resources)) {
      const { name, version } = resource;
      if (this.told.get(name)?.version !== version || this.owed.has(name)) upserts.push(resource);
    }
    const absent = [...new Set([...this.names, ...this.owed])].filter(
      (name) =>
        !resources.has(name) && (this.owed.has(name) || !(this.#toldAbsent.has(name) || this.told.has(name))),
    );
    const removals = [...this.told.keys()].filter((name) => !resources.has(name) && !absent.includes(name));
    const content = { upserts, absent, removals };
    return isEmpty(content)
      ? content
      : { ...content, upserts: [...upserts, ...this.#refusedBefore(resources, upserts)] };
  }

  *#wanted(resources: ResourceMap): Generator<EncodedResource> {
    if (this.wildcard) {
      yield* resources.values();
      return;
    }
    for (const name of this.names) {
      const resource = resources.get(name);
      if (resource !== undefined) yield resource;
    }
  }

  /**
   * What stood beside a resource at fault was perhaps not applied either, and no version tells:
   * it is sent again along with the next change.
   */
  #refusedBefore(resources: ResourceMap, upserts: readonly EncodedResource[]): EncodedResource[] {
    if (this.#refused.size === 0) return [];
    const sent = new Set(upserts.map(({ name }) => name));
    const again: EncodedResource[] = [];
    for (const name of this.#refused) {
      const resource = resources.get(name);
      if (resource !== undefined && !sent.has(name) && this.covers(name)) again.push(resource);
    }
    return again;
  }

  /** Books `content` as told, without an answer to wait for. */
  tell(content: Content): void {
    for (const resource of content.upserts) {
      this.told.set(resource.name, { version: resource.version, resource });
      this.#toldAbsent.delete(resource.name);
      this.owed.delete(resource.name);
    }
    for (const name of [...content.absent, ...content.removals]) {
      this.told.delete(name);
      this.owed.delete(name);
      if (this.names.has(name)) this.#toldAbsent.add(name);
    }
  }

  /** Books `content` as sent under `nonce`. */
  sent(nonce: string, content: Content, nowMs: number): void {
    this.tell(content);
    this.replyOwed = false;
    this.#inFlight = { nonce, content };
    this.#sentAtMs = nowMs;
  }

  /**
   * The client answered a response. An answer to anything but the last one is old and changes nothing.
   * @param error the client's words when it refused.
   */
  answered(nonce: string, error: string | undefined, nowMs: number): void {
    const answeredTo = this.#inFlight;
    if (answeredTo === undefined || answeredTo.nonce !== nonce) return;
    this.#inFlight = undefined;
    const { upserts, absent, removals } = answeredTo.content;
    if (error === undefined) {
      this.#ackedAtMs = nowMs;
      for (const { name, version } of upserts) {
        if (this.covers(name)) this.acked.set(name, version);
        this.#refused.delete(name);
      }
      for (const name of [...absent, ...removals]) {
        this.acked.delete(name);
        this.#refused.delete(name);
      }
      if (this.#refused.size === 0) this.#nack = undefined;
    } else {
      for (const { name } of upserts) this.#refused.add(name);
      for (const name of removals) this.acked.delete(name);
      this.#nack = { message: error, atMs: nowMs, resources: upserts.map(({ name }) => name) };
    }
  }

  status(): KindStatus {
    return {
      kind: this.kind,
      state: this.#state(),
      wildcard: this.wildcard,
      names: [...this.names],
      acked: this.acked,
      ...(this.#sentAtMs === undefined ? {} : { sentAtMs: this.#sentAtMs }),
      ...(this.#ackedAtMs === undefined ? {} : { ackedAtMs: this.#ackedAtMs }),
      ...(this.#nack === undefined ? {} : { nack: this.#nack }),
    };
  }

  #state(): SyncState {
    if (this.#nack !== undefined) return 'nack';
    if (this.#sentAtMs === undefined && this.acked.size === 0) return 'not-sent';
    if (this.#inFlight !== undefined || this.dirty || this.removalsHeld) return 'stale';
    return 'synced';
  }
}

export function isEmpty({ upserts, absent, removals }: Content): boolean {
  return upserts.length === 0 && absent.length === 0 && removals.length === 0;
}

/** Whether an empty list of names in a client's first request asks for everything (xDS protocol, "wildcard"). */
export function mayOmitNames(kind: ResourceKind): boolean {
  return resourceTypes[kind].fullState;
}
