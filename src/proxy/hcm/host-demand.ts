/** Requests that wait to hear of the virtual host that serves them (VHDS), by route table and host. */

/** @param found whether there is one */
export type HostWaiter = (found: boolean) => void;

export class HostDemand {
  readonly #waiting = new Map<string, Map<string, Set<HostWaiter>>>();
  readonly #ask: (routes: string, host: string) => void;

  /** @param ask is answered with `answer`, in its own time */
  constructor(ask: (routes: string, host: string) => void) {
    this.#ask = ask;
  }

  /**
   * @param host as requests name it, in lower case
   * @returns forgets the one that waits
   */
  wait(routes: string, host: string, waiter: HostWaiter): () => void {
    const ofTable = this.#waiting.get(routes) ?? new Map<string, Set<HostWaiter>>();
    const waiters = ofTable.get(host) ?? new Set();
    this.#waiting.set(routes, ofTable);
    ofTable.set(host, waiters.add(waiter));
    // Who asks does not wait yet.
    if (waiters.size === 1) queueMicrotask(() => this.#ask(routes, host));
    return () => this.#forget(routes, host, waiter);
  }

  /** @param isThere whether a host has been found */
  answer(routes: string, hosts: readonly string[], isThere: (host: string) => boolean): void {
    const ofTable = this.#waiting.get(routes);
    if (ofTable === undefined) return;
    for (const host of hosts) {
      const waiters = ofTable.get(host);
      if (waiters === undefined) continue;
      ofTable.delete(host);
      const found = isThere(host);
      for (const waiter of waiters) waiter(found);
    }
    if (ofTable.size === 0) this.#waiting.delete(routes);
  }

  #forget(routes: string, host: string, waiter: HostWaiter): void {
    const ofTable = this.#waiting.get(routes);
    const waiters = ofTable?.get(host);
    if (ofTable === undefined || waiters?.delete(waiter) !== true || waiters.size > 0) return;
    ofTable.delete(host);
    if (ofTable.size === 0) this.#waiting.delete(routes);
  }
}
