/** A cluster in force, or about to be: at rest, or running from when somebody asks for it. */
import type { Steps } from '#core/time-slice.ts';
import type { ClusterStatus } from '../contract.ts';
import type { DnsFollower } from '../dns/follow.ts';
import { ClusterRuntime } from './cluster.ts';
import { type GivenEndpoints, RestingCluster } from './resting.ts';
import type { ClusterSettings } from './settings.ts';

export class ActiveCluster {
  #cluster: RestingCluster | ClusterRuntime;
  readonly #follower: DnsFollower | undefined;

  constructor(cluster: RestingCluster | ClusterRuntime, follower?: DnsFollower) {
    this.#cluster = cluster;
    this.#follower = follower;
  }

  get settings(): Pick<ClusterSettings, 'name' | 'kind' | 'assignment'> {
    return this.#cluster.settings;
  }

  /** Undefined where it is at rest. */
  get awake(): ClusterRuntime | undefined {
    return this.#cluster instanceof ClusterRuntime ? this.#cluster : undefined;
  }

  get resting(): RestingCluster | undefined {
    return this.#cluster instanceof RestingCluster ? this.#cluster : undefined;
  }

  /** Wakes it, where it is at rest. */
  get runtime(): ClusterRuntime {
    const cluster = this.#cluster;
    if (cluster instanceof ClusterRuntime) return cluster;
    const woken = cluster.wake();
    this.#cluster = woken;
    return woken;
  }

  get scopePath(): string {
    const cluster = this.#cluster;
    return (cluster instanceof ClusterRuntime ? cluster.stats.scope : cluster.scope).path;
  }

  *replaceEndpoints(given: GivenEndpoints): Steps<void> {
    const { resting } = this;
    const { assigned } = given;
    if (resting === undefined || !RestingCluster.holds(assigned))
      yield* this.runtime.replaceEndpoints(assigned);
    else resting.assign(given);
  }

  status(): ClusterStatus {
    return this.#cluster.status();
  }

  /** See `ClusterRuntime.drain`. */
  *drain(): Steps<void> {
    this.#follower?.stop();
    const { awake } = this;
    if (awake !== undefined) yield* awake.drain();
  }

  close(): void {
    this.#follower?.stop();
    this.awake?.close();
  }
}
