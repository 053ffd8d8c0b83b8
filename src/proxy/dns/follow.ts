/** STRICT_DNS and LOGICAL_DNS: the names of a load assignment looked up again and again. */
import { hostPort } from '#core/ip-address.ts';
import { Timer, type TimerOwner } from '#core/timer-wheel.ts';
import type { AssignedEndpoint, Assignment } from '../cluster/assignment.ts';
import type { ClusterDeps, ClusterRuntime } from '../cluster/cluster.ts';
import type { FoundAddresses } from './lookup.ts';
import { isAddress } from './named-host.ts';

/** The least that is waited between two questions. */
const LEAST_MS = 1;

/** One name, asked for on its own. */
class FollowedName implements TimerOwner {
  addresses: readonly string[] = [];
  /** Of the next failure; 0: the first. */
  #failureMs = 0;
  #stopped = false;
  readonly #host: string;
  readonly #cluster: ClusterRuntime;
  readonly #deps: ClusterDeps;
  readonly #onChange: () => void;
  readonly #timer: Timer = new Timer(this, 0);

  constructor(host: string, cluster: ClusterRuntime, deps: ClusterDeps, onChange: () => void) {
    this.#host = host;
    this.#cluster = cluster;
    this.#deps = deps;
    this.#onChange = onChange;
  }

  /** Resolves when it was looked up, found or not. */
  async refresh(): Promise<void> {
    const { stats } = this.#cluster;
    stats.update_attempt.inc();
    const found = await this.#lookUp();
    if (this.#stopped) return;
    this.#deps.wheel.arm(this.#timer, this.#nextMs(found));
    if (found === undefined) {
      // The addresses found before stay in use.
      stats.update_failure.inc();
      return;
    }
    stats.update_success.inc();
    if (this.#isAsBefore(found.addresses)) {
      stats.update_no_rebuild.inc();
      return;
    }
    this.addresses = found.addresses;
    this.#onChange();
  }

  /** Resolvers give the same addresses in another order each time. */
  #isAsBefore(addresses: readonly string[]): boolean {
    const before = this.addresses;
    if (this.#cluster.settings.kind === 'logical-dns')
      return addresses.length === before.length && addresses.every((address, i) => address === before[i]);
    return addresses.length === before.length && addresses.every((address) => before.includes(address));
  }

  /** Undefined where nobody could say, or where a logical host would be without an address. */
  async #lookUp(): Promise<FoundAddresses | undefined> {
    const { dns, kind } = this.#cluster.settings;
    const all: FoundAddresses[] = [];
    let failed = false;
    for (const family of dns.families) {
      try {
        const lookup = { host: this.#host, family, resolver: dns.resolver, wantsTtl: dns.respectTtl };
        const found = await this.#deps.lookUp(lookup);
        if (found.addresses.length > 0) all.push(found);
      } catch {
        failed = true;
      }
      if (all.length > 0 && !dns.allFamilies) break;
    }
    // As in Envoy 1.40: a name that is no more takes the hosts with it, but the one of LOGICAL_DNS.
    if (all.length === 0 && (failed || kind === 'logical-dns')) return undefined;
    const ttls = all.flatMap(({ ttlS }) => (ttlS === undefined ? [] : [ttlS]));
    return {
      addresses: [...new Set(all.flatMap(({ addresses }) => addresses))],
      ttlS: ttls.length === 0 ? undefined : Math.min(...ttls),
    };
  }

  #nextMs(found: FoundAddresses | undefined): number {
    const { failure, jitterMs, refreshMs, respectTtl } = this.#cluster.settings.dns;
    const { random } = this.#deps;
    if (found === undefined && failure !== undefined) {
      const mostMs = this.#failureMs === 0 ? failure.baseMs : this.#failureMs;
      this.#failureMs = Math.min(mostMs * 2, failure.maxMs);
      return Math.max(LEAST_MS, random.ratio() * mostMs);
    }
    this.#failureMs = 0;
    const ttlMs = respectTtl ? (found?.ttlS ?? 0) * 1000 : 0;
    return Math.max(LEAST_MS, (ttlMs > 0 ? ttlMs : refreshMs) + random.ratio() * jitterMs);
  }

  stop(): void {
    this.#stopped = true;
    this.#deps.wheel.disarm(this.#timer);
  }

  onTimer(): void {
    void this.refresh();
  }
}

export class DnsFollower {
  readonly #cluster: ClusterRuntime;
  readonly #named: Assignment;
  readonly #names = new Map<string, FollowedName>();
  #begun = false;

  constructor(cluster: ClusterRuntime, named: Assignment, deps: ClusterDeps) {
    this.#cluster = cluster;
    this.#named = named;
    for (const { target } of named.endpoints) {
      if (target.kind !== 'tcp' || isAddress(target.host) || this.#names.has(target.host)) continue;
      this.#names.set(target.host, new FollowedName(target.host, cluster, deps, () => this.#changed()));
    }
  }

  /** Resolves when every name was looked up once, found or not; from then on they are by themselves. */
  async begin(): Promise<void> {
    await Promise.all(Array.from(this.#names.values(), (name) => name.refresh()));
    this.#begun = true;
    this.#changed();
  }

  #changed(): void {
    if (!this.#begun) return;
    const { endpoints } = this.#named;
    const found = endpoints.flatMap((endpoint) => this.#resolved(endpoint));
    this.#cluster.setEndpoints({ ...this.#named, endpoints: found });
  }

  #resolved(endpoint: AssignedEndpoint): AssignedEndpoint[] {
    const { target, traits } = endpoint;
    const name = target.kind === 'tcp' ? this.#names.get(target.host) : undefined;
    if (target.kind !== 'tcp' || name === undefined) return [endpoint];
    const hostname = traits.hostname === '' ? target.host : traits.hostname;
    if (this.#cluster.settings.kind === 'logical-dns') return logicalHost(name.addresses, endpoint, hostname);
    return name.addresses.map((address) => ({
      address: hostPort(address, target.port),
      target: { kind: 'tcp', host: address, port: target.port },
      traits: { ...traits, hostname },
    }));
  }

  stop(): void {
    for (const name of this.#names.values()) name.stop();
  }
}

/** The first address is the host's, the others are tried where that does not answer. */
function logicalHost(
  [first, ...others]: readonly string[],
  { target, traits }: AssignedEndpoint,
  hostname: string,
): AssignedEndpoint[] {
  if (first === undefined || target.kind !== 'tcp') return [];
  const { port } = target;
  const additional = others.map((host) => ({ kind: 'tcp' as const, host, port }));
  return [
    {
      address: hostPort(first, port),
      target: { kind: 'tcp', host: first, port },
      traits: { ...traits, hostname, additional },
    },
  ];
}
