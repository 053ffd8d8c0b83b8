/** The proxies that send requests to a cluster, of which this one is one: endpoints of a cluster themselves. */
import type { ClusterRuntime } from './cluster.ts';
import type { Endpoint } from './endpoint.ts';
import { isExcluded } from './health.ts';
import { groupByLocality, type Localities } from './localities.ts';
import { isPoor } from './priority-load.ts';
import type { LocalCluster } from './zone-routing.ts';

let versions = 0;

/** Read again after each change. */
export class LocalMembers implements LocalCluster {
  readonly cluster: ClusterRuntime;
  readonly #own: string | undefined;
  #changes = -1;
  #version = 0;
  #first: readonly Endpoint[] = [];

  /** @param own key of the place of this proxy */
  constructor(cluster: ClusterRuntime, own: string | undefined) {
    this.cluster = cluster;
    this.#own = own;
  }

  get version(): number {
    this.#follow();
    return this.#version;
  }

  localities(): Localities {
    this.#follow();
    return groupByLocality(this.#first, this.#own);
  }

  isInPanic(panicPercent: number): boolean {
    this.#follow();
    let healthy = 0;
    let degraded = 0;
    let counted = 0;
    for (const endpoint of this.#first) {
      if (endpoint.isHealthy) healthy++;
      else if (endpoint.isDegraded) degraded++;
      if (!isExcluded(endpoint.flags)) counted++;
    }
    return isPoor({ healthy, degraded, counted, total: this.#first.length }, panicPercent);
  }

  #follow(): void {
    const { membershipChanges, endpoints } = this.cluster;
    if (membershipChanges === this.#changes) return;
    this.#changes = membershipChanges;
    this.#version = ++versions;
    this.#first = endpoints.filter(({ traits }) => traits.priority === 0);
  }
}
