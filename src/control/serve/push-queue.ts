/**
 * When proxies are told of a change: once a burst of changes has ended, and each proxy at most once
 * for all changes that came before its turn. One proxy a turn of the event loop, so that requests
 * and new connections are served in between.
 */

export interface PushQueueSettings<Proxy> {
  /** Tells one proxy what is new. A throw is given to `failed`. */
  readonly push: (proxy: Proxy) => void;
  readonly failed: (proxy: Proxy, error: unknown) => void;
  /** Called once a burst has ended, before the first push. */
  readonly started?: () => void;
  /** A burst has ended when nothing changed for this long. */
  readonly quietMs?: number;
  /** The first change of a burst waits no longer than this. */
  readonly maxMs?: number;
}

const QUIET_MS = 10;
const MAX_MS = 100;

export class PushQueue<Proxy> {
  readonly #settings: PushQueueSettings<Proxy>;
  readonly #quietMs: number;
  readonly #maxMs: number;
  readonly #pending = new Set<Proxy>();
  readonly #allProxies: () => Iterable<Proxy>;
  #burstStartMs: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #turn: NodeJS.Immediate | undefined;
  #closed = false;

  /** @param allProxies asked when a burst has ended. */
  constructor(settings: PushQueueSettings<Proxy>, allProxies: () => Iterable<Proxy>) {
    this.#settings = settings;
    this.#quietMs = settings.quietMs ?? QUIET_MS;
    this.#maxMs = settings.maxMs ?? MAX_MS;
    this.#allProxies = allProxies;
  }

  /** Something changed. */
  changed(): void {
    if (this.#closed) return;
    const nowMs = performance.now();
    this.#burstStartMs ??= nowMs;
    const waitMs = Math.min(this.#quietMs, Math.max(0, this.#burstStartMs + this.#maxMs - nowMs));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#start(), waitMs);
  }

  /** Forgets a proxy that went away. */
  remove(proxy: Proxy): void {
    this.#pending.delete(proxy);
  }

  /** Proxies that wait for their turn. */
  get waiting(): number {
    return this.#pending.size;
  }

  /** Whether everybody was told of everything. */
  get idle(): boolean {
    return this.#burstStartMs === undefined && this.#pending.size === 0;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearImmediate(this.#turn);
    this.#pending.clear();
  }

  #start(): void {
    this.#burstStartMs = undefined;
    this.#settings.started?.();
    for (const proxy of this.#allProxies()) this.#pending.add(proxy);
    this.#turn ??= setImmediate(() => this.#next());
  }

  #next(): void {
    this.#turn = undefined;
    const [proxy] = this.#pending;
    if (proxy === undefined) return;
    this.#pending.delete(proxy);
    try {
      this.#settings.push(proxy);
    } catch (error) {
      this.#settings.failed(proxy, error);
    }
    if (this.#pending.size > 0) this.#turn = setImmediate(() => this.#next());
  }
}
