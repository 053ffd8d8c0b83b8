/** Sessions a client may resume: a few for each server and name, for one context (RFC 8446 §2.2). */

/** A cluster may have any number of endpoints; sessions of those not used lately are forgotten. */
const MAX_SERVERS = 1000;

export class SessionStore {
  readonly #perServer: number;
  readonly #sessions = new Map<string, Buffer[]>();

  /** @param perServer 0: none is kept */
  constructor(perServer: number) {
    this.#perServer = perServer;
  }

  get isUsed(): boolean {
    return this.#perServer > 0;
  }

  keep(server: string, session: Buffer): void {
    if (this.#perServer === 0) return;
    const list = this.#sessions.get(server);
    if (list === undefined) {
      if (this.#sessions.size >= MAX_SERVERS) this.#sessions.delete(this.#sessions.keys().next().value!);
      this.#sessions.set(server, [session]);
      return;
    }
    if (list.length >= this.#perServer) list.shift();
    list.push(session);
  }

  /**
   * The newest one. It stays until a newer one comes: servers of this runtime give no new ticket for one
   * that was used, so that to use each once (RFC 8446 §C.4, against being recognized) would be to resume
   * every other time. Who watches two proxies knows them by their addresses anyway.
   */
  newest(server: string): Buffer | undefined {
    return this.#sessions.get(server)?.at(-1);
  }

  /** The server did not take it. */
  drop(server: string, session: Buffer): void {
    const list = this.#sessions.get(server)?.filter((kept) => kept !== session) ?? [];
    if (list.length === 0) this.#sessions.delete(server);
    else this.#sessions.set(server, list);
  }
}
