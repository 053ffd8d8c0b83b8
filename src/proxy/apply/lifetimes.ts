/** How long resources of one stream are good for (`Resource.ttl`): what is not heard of again in time expires. */
import type { AnyUpdate } from '#xds/client/contract.ts';
import type { ResourceKind } from '#xds/resource-type.ts';

/** Node fires timers at once that are longer. */
const MAX_TIMER_MS = 0x7fff_ffff;

export class Lifetimes {
  readonly #timers = new Map<ResourceKind, Map<string, NodeJS.Timeout>>();
  readonly #expired: (kind: ResourceKind, name: string) => void;

  constructor(expired: (kind: ResourceKind, name: string) => void) {
    this.#expired = expired;
  }

  /** @param applied names of what is in force; undefined: all of the update. */
  take({ kind, lifetimes, removed, changed }: AnyUpdate, applied?: readonly string[]): void {
    for (const name of removed) this.#clear(kind, name);
    const refused =
      applied && new Set(changed.map(({ name }) => name).filter((name) => !applied.includes(name)));
    for (const [name, ttlMs] of lifetimes) {
      if (refused?.has(name) === true) continue;
      this.#clear(kind, name);
      if (ttlMs !== undefined) this.#set(kind, name, ttlMs);
    }
  }

  forget(kind: ResourceKind, names: readonly string[]): void {
    for (const name of names) this.#clear(kind, name);
  }

  /** Whether it may go on for some time. */
  isLimited(kind: ResourceKind, name: string): boolean {
    return this.#timers.get(kind)?.has(name) === true;
  }

  close(): void {
    for (const timers of this.#timers.values()) for (const timer of timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  #set(kind: ResourceKind, name: string, ttlMs: number): void {
    let timers = this.#timers.get(kind);
    if (timers === undefined) {
      timers = new Map();
      this.#timers.set(kind, timers);
    }
    const ofKind = timers;
    const onTime = (): void => {
      ofKind.delete(name);
      this.#expired(kind, name);
    };
    ofKind.set(name, setTimeout(onTime, Math.min(ttlMs, MAX_TIMER_MS)).unref());
  }

  #clear(kind: ResourceKind, name: string): void {
    const timers = this.#timers.get(kind);
    const timer = timers?.get(name);
    if (timer === undefined) return;
    clearTimeout(timer);
    timers!.delete(name);
  }
}
