/**
 * What one client knows and wants of one kind of resources: its subscription, what it was told,
 * what it answered. Both variants of the protocol keep the same books.
 */
import { type ResourceKind, resourceTypes } from '../resource-type.ts';
import type { EncodedResource, ResourceMap } from '../snapshot.ts';
import { Book, type Told } from './book.ts';
import type { KindStatus, Nack, SyncState } from './contract.ts';
import { NameSet } from './name-set.ts';

/** What to tell a client. */
export interface Content {
  readonly upserts: readonly EncodedResource[];
  /** Asked for by name and not there. */
  readonly absent: readonly string[];
  /** Told of before and no longer there. */
  readonly removals: readonly string[];
}

/** What there is to tell of some resources. */
interface Looked {
  readonly resources: ResourceMap;
  readonly removals: readonly string[];
}

interface InFlight {
  readonly nonce: string;
  readonly content: Content;
}

export class Watch {
  readonly kind: ResourceKind;
  wildcard = false;
  readonly names: NameSet = new NameSet();
  readonly told: Book = new Book((name) => this.covers(name));
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

  readonly acked: Book = new Book((name) => this.covers(name));
  readonly #sharesBooks: boolean;
  #looked: Looked | undefined;
  readonly #toldAbsent = new Set<string>();
  readonly #refused = new Set<string>();
  #inFlight: InFlight | undefined;
  #nack: Nack | undefined;
  #sentAtMs: number | undefined;
  #ackedAtMs: number | undefined;

  /** @param sharesBooks whether who changes `names` and `wildcard` tells the books, which need not hold every name then */
  constructor(kind: ResourceKind, sharesBooks = false) {
    this.kind = kind;
    this.#sharesBooks = sharesBooks;
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

  /** The client wants `name` from now on, as far as the books know for the first time. */
  want(name: string): void {
    if (!this.covers(name)) {
      this.told.delete(name);
      this.acked.delete(name);
    }
    this.names.add(name);
  }

  /** The client wants everything, or no more than what it has named. */
  wantAll(all: boolean): void {
    this.#unshare();
    this.wildcard = all;
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

  /**
   * The client says that it holds these already, by name.
   *
   * @param resources that it should have
   */
  hold(versions: Readonly<Record<string, string>>, resources: ResourceMap): void {
    const names = Object.keys(versions);
    if (names.length === 0) return;
    const others: [name: string, told: Told | undefined][] = [];
    for (const name of names) {
      const version = versions[name] ?? '';
      if (this.covers(name) && resources.get(name)?.version !== version) others.push([name, { version }]);
    }
    // Of the rest it has what it should, but for what it does not name.
    for (const name of this.wildcard ? resources.keys() : this.names) {
      if (resources.has(name) && !Object.hasOwn(versions, name)) others.push([name, undefined]);
    }
    this.told.settle(resources, others);
    this.acked.settle(resources, others);
    if (!this.#sharesBooks) this.#unshare();
  }

  #unshare(): void {
    this.told.unsettle();
    this.acked.unsettle();
  }

  /** What the client has not been told of `resources`. */
  pending(resources: ResourceMap): Content {
    const others = this.told.otherThan(resources);
    // A name that is new to the client is owed to it.
    const names = others && new Set([...others, ...this.owed]);
    const upserts: EncodedResource[] = [];
    for (const resource of this.#wanted(resources, names)) {
      const { name, version } = resource;
      if (this.told.get(name)?.version !== version || this.owed.has(name)) upserts.push(resource);
    }
    const absent = [...(names ?? new Set([...this.names, ...this.owed]))].filter(
      (name) =>
        !resources.has(name) &&
        (this.owed.has(name) ||
          (this.names.has(name) && !(this.#toldAbsent.has(name) || this.told.has(name)))),
    );
    const saidAbsent = new Set(absent);
    const removals = [...(names ?? this.told.keys())].filter(
      (name) => !resources.has(name) && !saidAbsent.has(name) && this.told.has(name),
    );
    const content = { upserts, absent, removals };
    if (isEmpty(content)) {
      if (this.#sharesBooks) this.told.settle(resources);
      return content;
    }
    this.#looked = { resources, removals };
    return { ...content, upserts: [...upserts, ...this.#refusedBefore(resources, upserts)] };
  }

  /** @param names of which there may be something to tell; undefined: any */
  *#wanted(resources: ResourceMap, names: ReadonlySet<string> | undefined): Generator<EncodedResource> {
    if (this.wildcard && names === undefined) {
      yield* resources.values();
      return;
    }
    for (const name of names ?? this.names) {
      const resource = this.covers(name) ? resources.get(name) : undefined;
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
    if (this.#sharesBooks && this.#looked !== undefined) this.#settle(this.#looked, content);
    this.#looked = undefined;
  }

  /** Everything was told but for what is held. */
  #settle({ resources, removals }: Looked, { removals: told }: Content): void {
    const done = new Set(told);
    const held = removals.filter((name) => !done.has(name));
    this.told.settle(
      resources,
      held.flatMap((name) => {
        const known = this.told.get(name);
        return known === undefined ? [] : [[name, known] as const];
      }),
    );
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
        if (this.covers(name)) this.acked.set(name, { version });
        this.#refused.delete(name);
      }
      for (const name of [...absent, ...removals]) {
        this.acked.delete(name);
        this.#refused.delete(name);
      }
      if (this.#refused.size === 0) {
        this.#nack = undefined;
        if (this.#sharesBooks) this.acked.copy(this.told);
      }
    } else {
      for (const { name } of upserts) this.#refused.add(name);
      for (const name of removals) this.acked.delete(name);
      this.#nack = { message: error, atMs: nowMs, resources: upserts.map(({ name }) => name) };
    }
  }

  status(): KindStatus {
    const { names, acked } = this;
    return {
      kind: this.kind,
      state: this.#state(),
      wildcard: this.wildcard,
      // Long lists, which are seldom looked at.
      get names(): readonly string[] {
        return [...names];
      },
      get acked(): ReadonlyMap<string, string> {
        return new Map(Array.from(acked, ([name, { version }]) => [name, version]));
      },
      ...(this.#sentAtMs === undefined ? {} : { sentAtMs: this.#sentAtMs }),
      ...(this.#ackedAtMs === undefined ? {} : { ackedAtMs: this.#ackedAtMs }),
      ...(this.#nack === undefined ? {} : { nack: this.#nack }),
    };
  }

  #state(): SyncState {
    if (this.#nack !== undefined) return 'nack';
    if (this.#sentAtMs === undefined && this.acked.isEmpty) return 'not-sent';
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
