/**
 * The order of a push over one stream, make before break: a kind is sent only after everything of the kinds
 * before it was sent, at most one response of a kind is unanswered, and clusters and endpoints go away
 * only when the client has accepted the listeners and routes that no longer point at them.
 */
import { type ResourceKind, resourceKinds } from '../resource-type.ts';
import { emptySnapshot, type ResourceMap, type Snapshot } from '../snapshot.ts';
import type { KindStatus } from './contract.ts';
import { type Content, isEmpty, Watch } from './watch.ts';

/** Kinds that others point at. */
const pointedAt: readonly ResourceKind[] = ['cluster', 'endpoint'];
/** Kinds that point at nothing, so that they need not wait for the rest. */
const apart: readonly ResourceKind[] = ['extension', 'secret', 'runtime', 'nameTable', 'workloadGroup'];

/** Makes a response of `content`, or undefined when the protocol has no way to say it. Books it in `watch`. */
export type Send<Response> = (watch: Watch, content: Content) => Response | undefined;

export class Push<Response> {
  readonly #watches = new Map<ResourceKind, Watch>();
  readonly #send: Send<Response>;
  readonly #sharesBooks: boolean;
  #snapshot: Snapshot | undefined;
  /** Endpoints of clusters that were changed: the client waits for them anew, though it may have them. */
  readonly #owedEndpoints = new Set<string>();
  /** Routes that the client did not have: what was told of their virtual hosts before, nobody there took. */
  readonly #newRoutes = new Set<string>();
  /** The client came back with clusters of an earlier stream and may not have asked for its routes yet. */
  #opening = false;

  /** @param sharesBooks of each watch */
  constructor(snapshot: Snapshot | undefined, send: Send<Response>, sharesBooks = false) {
    this.#sharesBooks = sharesBooks;
    this.#snapshot = snapshot;
    this.#send = send;
  }

  watch(kind: ResourceKind): Watch | undefined {
    return this.#watches.get(kind);
  }

  open(kind: ResourceKind): Watch {
    const watch = new Watch(kind, this.#sharesBooks);
    this.#watches.set(kind, watch);
    if (kind === 'route') this.#opening = false;
    return watch;
  }

  /** That the client should have. */
  resources(kind: ResourceKind): ResourceMap {
    return (this.#snapshot ?? emptySnapshot)[kind];
  }

  /** The client brought along resources of an earlier stream. */
  resumed(kind: ResourceKind): void {
    if (pointedAt.includes(kind) && !this.#watches.has('route')) this.#opening = true;
  }

  /** The client asked about a kind for the second time: it has begun with all kinds it wants. */
  opened(): void {
    this.#opening = false;
  }

  replace(snapshot: Snapshot): void {
    for (const [kind, watch] of this.#watches) {
      if (snapshot[kind] !== this.#snapshot?.[kind]) watch.dirty = true;
    }
    this.#snapshot = snapshot;
    if (this.#watches.has('listener')) this.#opening = false;
  }

  /** All that may be sent now. */
  flush(): Response[] {
    const responses: Response[] = [];
    const snapshot = this.#snapshot;
    if (snapshot === undefined) return responses;
    let blocked = false;
    for (const kind of resourceKinds) {
      const watch = this.#watches.get(kind);
      if (watch === undefined) continue;
      if (kind === 'endpoint') this.#collectOwed(watch);
      if (kind === 'virtualHost') this.#collectHosts(watch, snapshot);
      if (!watch.dirty || (blocked && !apart.includes(kind))) continue;
      if (watch.inFlight) blocked = true;
      else this.#advance(watch, snapshot, responses);
    }
    this.#removeHeld(snapshot, responses);
    return responses;
  }

  #advance(watch: Watch, snapshot: Snapshot, responses: Response[]): void {
    watch.dirty = false;
    const content = watch.pending(snapshot[watch.kind]);
    const hold = pointedAt.includes(watch.kind) && content.removals.length > 0;
    watch.removalsHeld = hold;
    this.#deliver(watch, hold ? { ...content, removals: [] } : content, responses);
  }

  #removeHeld(snapshot: Snapshot, responses: Response[]): void {
    if (this.#opening || !this.#settled('listener') || !this.#settled('route')) return;
    for (const kind of pointedAt) {
      const watch = this.#watches.get(kind);
      if (watch === undefined || !watch.removalsHeld || watch.inFlight || watch.dirty) continue;
      watch.removalsHeld = false;
      this.#deliver(watch, watch.pending(snapshot[kind]), responses);
    }
  }

  #deliver(watch: Watch, content: Content, responses: Response[]): void {
    if (isEmpty(content) && !watch.replyOwed) return;
    if (watch.kind === 'cluster') {
      for (const { name, endpoints } of content.upserts) {
        if (watch.told.has(name)) for (const endpoint of endpoints) this.#owedEndpoints.add(endpoint);
      }
    }
    if (watch.kind === 'route') {
      for (const { name } of content.upserts) if (!watch.told.has(name)) this.#newRoutes.add(name);
    }
    const response = this.#send(watch, content);
    if (response !== undefined) responses.push(response);
  }

  #collectOwed(watch: Watch): void {
    for (const name of this.#owedEndpoints) {
      if (!watch.covers(name)) continue;
      watch.owed.add(name);
      watch.dirty = true;
      this.#owedEndpoints.delete(name);
    }
  }

  /** A virtual host is called `ROUTES/NAME`. */
  #collectHosts(watch: Watch, snapshot: Snapshot): void {
    if (this.#newRoutes.size === 0) return;
    for (const name of snapshot.virtualHost.keys()) {
      if (!this.#newRoutes.has(name.slice(0, name.lastIndexOf('/'))) || !watch.covers(name)) continue;
      watch.owed.add(name);
      watch.dirty = true;
    }
    this.#newRoutes.clear();
  }

  #settled(kind: ResourceKind): boolean {
    return this.#watches.get(kind)?.settled ?? true;
  }

  status(): KindStatus[] {
    return resourceKinds.flatMap((kind) => this.#watches.get(kind)?.status() ?? []);
  }
}
