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

  /** The newest one; it is given out once: tickets of TLS 1.3 tell who uses them twice (RFC 8446 §C.4). */
  take(server: string): Buffer | undefined {
    const list = this.#sessions.get(server);
    const session = list?.pop();
    if (list?.length === 0) this.#sessions.delete(server);
    return session;
  }

  clear(): void {
    this.#sessions.clear();
  }
}
