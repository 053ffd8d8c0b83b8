/** One name of a cache: looked up when it comes in, and again and again while somebody asks for it. */
import { Timer, type TimerOwner } from '#core/timer-wheel.ts';
import type { HostCache } from './cache.ts';
import type { FoundAddresses } from './lookup.ts';
import type { NamedHost } from './named-host.ts';

const REFRESH = 0;
const TIMEOUT = 1;
const DENIED = 'address_denied';
const NOT_THERE = 'cares_norecords:Domain_name_not_found';
/** The least that is waited between two questions. */
const LEAST_MS = 1;

export class CachedHost implements TimerOwner {
  readonly key: string;
  /** Empty before the first answer, and where there is none. */
  addresses: readonly string[] = [];
  /** Whether it was looked up once, found or not. */
  resolved = false;
  /** Why the last answer was of no use, in the words of Envoy; '': it was. */
  failure = '';
  /** Whether it is looked up when it is asked for, as nobody could say. */
  isOnDemand = false;
  lastUsedMs: number;
  readonly #name: NamedHost;
  readonly #cache: HostCache;
  readonly #refreshTimer: Timer = new Timer(this, REFRESH);
  readonly #timeoutTimer: Timer = new Timer(this, TIMEOUT);
  /** Counts questions: an answer that comes too late is none. */
  #asked = 0;
  /** Of the next failure; 0: the first. */
  #failureMs = 0;

  constructor(key: string, name: NamedHost, cache: HostCache) {
    this.key = key;
    this.#name = name;
    this.#cache = cache;
    this.lastUsedMs = cache.deps.clock.nowMs();
  }

  ask(): void {
    const { deps, settings, stats } = this.#cache;
    const number = ++this.#asked;
    stats.dns_query_attempt.inc();
    deps.wheel.disarm(this.#refreshTimer);
    if (settings.queryTimeoutMs > 0) deps.wheel.arm(this.#timeoutTimer, settings.queryTimeoutMs);
    void this.#cache.lookUp(this.#name.host).then((found) => {
      if (number === this.#asked) this.#onAnswer(found);
    });
  }

  /** @param found a text: why nobody could say */
  #onAnswer(found: FoundAddresses | string): void {
    const { deps, settings, stats } = this.#cache;
    this.#asked++;
    deps.wheel.disarm(this.#timeoutTimer);
    const isUnknown = typeof found === 'string';
    if (isUnknown) stats.dns_query_failure.inc();
    else stats.dns_query_success.inc();
    const addresses = isUnknown ? [] : found.addresses;
    const allowed = addresses.filter((address) => !settings.bars(address));
    this.failure = isUnknown ? found : allowed.length > 0 ? '' : addresses.length > 0 ? DENIED : NOT_THERE;
    this.isOnDemand = isUnknown && settings.failsOnDemand;
    if (this.failure === '' && !sameAddresses(allowed, this.addresses)) {
      this.addresses = allowed;
      stats.host_address_changed.inc();
    }
    this.resolved = true;
    const nextMs = this.isOnDemand ? settings.hostTtlMs : this.#nextMs(isUnknown ? undefined : found.ttlS);
    deps.wheel.arm(this.#refreshTimer, nextMs);
    this.#cache.onResolved(this);
  }

  #nextMs(ttlS: number | undefined): number {
    const { deps, settings } = this.#cache;
    const { failure, minRefreshMs, refreshMs } = settings;
    if (this.failure === '') {
      this.#failureMs = 0;
      return ttlS === undefined ? refreshMs : Math.max(minRefreshMs, ttlS * 1000);
    }
    if (failure === undefined) return refreshMs;
    const mostMs = this.#failureMs === 0 ? failure.baseMs : this.#failureMs;
    this.#failureMs = Math.min(mostMs * 2, failure.maxMs);
    return Math.max(LEAST_MS, deps.random.ratio() * mostMs);
  }

  stop(): void {
    this.#asked++;
    const { wheel } = this.#cache.deps;
    wheel.disarm(this.#refreshTimer);
    wheel.disarm(this.#timeoutTimer);
  }

  onTimer(kind: number): void {
    const { deps, settings, stats } = this.#cache;
    if (kind === TIMEOUT) {
      stats.dns_query_timeout.inc();
      this.#onAnswer('resolve_timeout');
    } else if (deps.clock.nowMs() - this.lastUsedMs >= settings.hostTtlMs) this.#cache.remove(this);
    else if (this.isOnDemand) deps.wheel.arm(this.#refreshTimer, settings.hostTtlMs);
    else this.ask();
  }
}

function sameAddresses(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((address, i) => address === other[i]);
}
