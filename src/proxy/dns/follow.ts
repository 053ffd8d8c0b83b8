/** STRICT_DNS and LOGICAL_DNS: the names of a load assignment looked up again and again. */
import { hostPort } from '#core/ip-address.ts';
import { Timer, type TimerOwner } from '#core/timer-wheel.ts';
import type { AssignedEndpoint } from '../cluster/assignment.ts';
import type { ClusterDeps, ClusterRuntime } from '../cluster/cluster.ts';
import { isAddress } from '../cluster/dynamic-hosts.ts';

export class DnsFollower implements TimerOwner {
  readonly #cluster: ClusterRuntime;
  readonly #named: readonly AssignedEndpoint[];
  readonly #deps: ClusterDeps;
  readonly #timer: Timer = new Timer(this, 0);
  readonly #found = new Map<string, readonly string[]>();
  #stopped = false;

  constructor(cluster: ClusterRuntime, named: readonly AssignedEndpoint[], deps: ClusterDeps) {
    this.#cluster = cluster;
    this.#named = named;
    this.#deps = deps;
  }

  /** Resolves when every name was looked up once, found or not. */
  async refresh(): Promise<void> {
    const { dnsRefreshMs } = this.#cluster.settings;
    const { stats } = this.#cluster;
    const hosts = new Set(this.#named.map(({ target }) => (target.kind === 'tcp' ? target.host : '')));
    await Promise.all(
      [...hosts].map(async (host) => {
        if (host === '' || isAddress(host)) return;
        stats.update_attempt.inc();
        try {
          this.#found.set(host, await this.#lookUp(host));
        } catch {
          // The addresses found before stay in use.
          stats.update_failure.inc();
        }
      }),
    );
    if (this.#stopped) return;
    this.#cluster.setEndpoints(this.#named.flatMap((endpoint) => this.#resolved(endpoint)));
    this.#deps.wheel.arm(this.#timer, dnsRefreshMs);
  }

  /** Rejects where it has no address. */
  async #lookUp(host: string): Promise<readonly string[]> {
    const [first = 0, ...others] = this.#cluster.settings.dnsFamilies;
    let found = this.#deps.resolve(host, first);
    for (const family of others) found = found.catch(() => this.#deps.resolve(host, family));
    return found;
  }

  #resolved(endpoint: AssignedEndpoint): AssignedEndpoint[] {
    const { target, traits } = endpoint;
    if (target.kind !== 'tcp' || isAddress(target.host)) return [endpoint];
    const addresses = this.#found.get(target.host) ?? [];
    const used = this.#cluster.settings.kind === 'logical-dns' ? addresses.slice(0, 1) : addresses;
    const hostname = traits.hostname === '' ? target.host : traits.hostname;
    return used.map((address) => ({
      address: hostPort(address, target.port),
      target: { kind: 'tcp', host: address, port: target.port },
      traits: { ...traits, hostname },
    }));
  }

  stop(): void {
    this.#stopped = true;
    this.#deps.wheel.disarm(this.#timer);
  }

  onTimer(): void {
    void this.refresh();
  }
}
