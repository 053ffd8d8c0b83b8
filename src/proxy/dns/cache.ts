/** Names looked up for requests, kept under Envoy's rules (Envoy, "DNS cache"). One to a name, shared by who names it. */
import type { Clock } from '#core/clock.ts';
import type { Random } from '#core/random.ts';
import type { TimerWheel } from '#core/timer-wheel.ts';
import type { Counter, Gauge, MetricRegistry } from '#observe/metrics-contract.ts';
import type { CacheSettings } from './cache-settings.ts';
import { CachedHost } from './cached-host.ts';
import type { FoundAddresses, LookUp } from './lookup.ts';
import { isAddress, keyOf, type NamedHost } from './named-host.ts';

export interface CacheDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly wheel: TimerWheel;
  readonly lookUp: LookUp;
  readonly metrics: MetricRegistry;
}

const counters = [
  'cache_load',
  'dns_query_attempt',
  'dns_query_failure',
  'dns_query_success',
  'dns_query_timeout',
  'host_added',
  'host_address_changed',
  'host_overflow',
  'host_removed',
  'dns_rq_pending_overflow',
] as const;

/** `known`: there is an answer, which may be that there is none; `overflow`: there is no room for the name. */
export type Loading = 'known' | 'waits' | 'overflow';

export class HostCache {
  readonly settings: CacheSettings;
  readonly deps: CacheDeps;
  readonly stats: Readonly<Record<(typeof counters)[number], Counter>>;
  readonly #hosts = new Map<string, CachedHost>();
  readonly #waiting = new Map<CachedHost, Set<() => void>>();
  readonly #followers = new Set<(key: string) => void>();
  readonly #size: Gauge;
  #pending = 0;

  constructor(settings: CacheSettings, deps: CacheDeps) {
    this.settings = settings;
    this.deps = deps;
    const scope = deps.metrics.scope({
      path: `dns_cache.${settings.name}`,
      family: 'dns_cache',
      labels: { dns_cache: settings.name },
    });
    this.stats = Object.fromEntries(
      counters.map((name) => [name, scope.counter(name)]),
    ) as HostCache['stats'];
    this.#size = scope.gauge('num_hosts');
    for (const name of settings.preresolved) this.#add(name).ask();
  }

  /** The addresses last found, the first is preferred. */
  addressesOf(name: NamedHost): readonly string[] {
    const host = this.#hosts.get(keyOf(name));
    if (host === undefined) return [];
    host.lastUsedMs = this.deps.clock.nowMs();
    return host.addresses;
  }

  /** Why there is no address, in the words of Envoy; '' where nothing is known of it. */
  failureOf(name: NamedHost): string {
    return this.#hosts.get(keyOf(name))?.failure ?? '';
  }

  /** A place among the requests that may wait; false: there is none. What is taken is given back by {@link leave}. */
  enter(): boolean {
    if (this.#pending < this.settings.maxPending) {
      this.#pending++;
      return true;
    }
    this.stats.dns_rq_pending_overflow.inc();
    return false;
  }

  leave(): void {
    this.#pending--;
  }

  /** @param done is called once, later, where it `waits` */
  load(name: NamedHost, done: () => void): Loading {
    let host = this.#hosts.get(keyOf(name));
    if (host?.resolved === true && !(host.isOnDemand && host.addresses.length === 0)) {
      host.lastUsedMs = this.deps.clock.nowMs();
      return 'known';
    }
    if (host === undefined) {
      if (this.#hosts.size >= this.settings.maxHosts) {
        this.stats.host_overflow.inc();
        return 'overflow';
      }
      host = this.#add(name);
      host.ask();
    } else if (host.resolved) {
      host.resolved = false;
      host.ask();
    }
    const waiting = this.#waiting.get(host) ?? new Set();
    waiting.add(done);
    this.#waiting.set(host, waiting);
    return 'waits';
  }

  /** What {@link load} was given to call is not called any more. */
  forsake(name: NamedHost, done: () => void): void {
    const host = this.#hosts.get(keyOf(name));
    if (host !== undefined) this.#waiting.get(host)?.delete(done);
  }

  /** Is told of each name that goes. */
  follow(onRemoved: (key: string) => void): () => void {
    this.#followers.add(onRemoved);
    return () => this.#followers.delete(onRemoved);
  }

  /** @returns a text where nobody could say: why. */
  async lookUp(host: string): Promise<FoundAddresses | string> {
    const bare = host.replace(/^\[|\]$/g, '');
    if (isAddress(bare)) return { addresses: [bare], ttlS: undefined };
    const { allFamilies, families, resolver } = this.settings;
    const all: FoundAddresses[] = [];
    let failure = '';
    for (const family of families) {
      try {
        const lookup = { host: bare, family, resolver, wantsTtl: resolver !== undefined };
        const found = await this.deps.lookUp(lookup);
        if (found.addresses.length > 0) all.push(found);
      } catch (error) {
        failure = whyNot((error as NodeJS.ErrnoException).code ?? '');
      }
      if (all.length > 0 && !allFamilies) break;
    }
    if (all.length === 0) return failure === '' ? { addresses: [], ttlS: undefined } : failure;
    const ttls = all.flatMap(({ ttlS }) => (ttlS === undefined ? [] : [ttlS]));
    return {
      addresses: all.flatMap(({ addresses }) => addresses),
      ttlS: ttls.length === 0 ? undefined : Math.min(...ttls),
    };
  }

  onResolved(host: CachedHost): void {
    const waiting = this.#waiting.get(host);
    this.#waiting.delete(host);
    for (const done of waiting ?? []) done();
  }

  close(): void {
    for (const host of this.#hosts.values()) host.stop();
  }

  remove(host: CachedHost): void {
    this.#hosts.delete(host.key);
    this.stats.host_removed.inc();
    this.#size.add(-1);
    for (const onRemoved of this.#followers) onRemoved(host.key);
  }

  #add(name: NamedHost): CachedHost {
    const key = keyOf(name);
    const host = new CachedHost(key, name, this);
    this.#hosts.set(key, host);
    this.stats.host_added.inc();
    this.#size.add(1);
    return host;
  }
}

/** The caches of one thread, by their names; they last as long as it does, as in Envoy. */
export class HostCaches {
  readonly #caches = new Map<string, HostCache>();
  readonly #deps: CacheDeps;

  constructor(deps: CacheDeps) {
    this.#deps = deps;
  }

  /** Undefined where there is one of that name with other settings. */
  get(settings: CacheSettings): HostCache | undefined {
    let cache = this.#caches.get(settings.name);
    if (cache === undefined) {
      cache = new HostCache(settings, this.#deps);
      this.#caches.set(settings.name, cache);
    }
    return cache.settings.identity === settings.identity ? cache : undefined;
  }

  close(): void {
    for (const cache of this.#caches.values()) cache.close();
  }
}

const answers: Readonly<Record<string, string>> = {
  ESERVFAIL: 'DNS_server_returned_general_failure',
  ETIMEOUT: 'Timeout_while_contacting_DNS_servers',
  EREFUSED: 'DNS_server_refused_query',
  ECONNREFUSED: 'Could_not_contact_DNS_servers',
  EFORMERR: 'DNS_server_claims_query_was_misformatted',
  EBADNAME: 'Misformatted_domain_name',
};

/** @param code of the runtime's resolver */
function whyNot(code: string): string {
  return `cares_failure:${answers[code] ?? code}`;
}
