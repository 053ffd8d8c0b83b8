/** A cluster in force, or about to be: at rest, or running from when somebody asks for it. */
import type { Steps } from '#core/time-slice.ts';
import type { ClusterStatus } from '../contract.ts';
import type { DnsFollower } from '../dns/follow.ts';
import type { Assignment } from './assignment.ts';
import type { ClusterRuntime } from './cluster.ts';
import { RestingCluster } from './resting.ts';
import type { ClusterSettings } from './settings.ts';

export class ActiveCluster {
  readonly settings: ClusterSettings;
  readonly #follower: DnsFollower | undefined;
  /** One of the two is there. */
  #resting: RestingCluster | undefined;
  #running: ClusterRuntime | undefined;

  constructor(cluster: RestingCluster | ClusterRuntime, follower?: DnsFollower) {
    this.settings = cluster.settings;
    this.#follower = follower;
    if (cluster instanceof RestingCluster) this.#resting = cluster;
    else this.#running = cluster;
  }

  /** Undefined where it is at rest. */
  get awake(): ClusterRuntime | undefined {
    return this.#running;
  }

  get resting(): RestingCluster | undefined {
    return this.#resting;
  }

  /** Wakes it, where it is at rest. */
  get runtime(): ClusterRuntime {
    if (this.#running !== undefined) return this.#running;
    this.#running = this.#resting!.wake();
    this.#resting = undefined;
    return this.#running;
  }

  get scopePath(): string {
    return (this.#resting?.scope ?? this.#running!.stats.scope).path;
  }

  *replaceEndpoints(assigned: Assignment): Steps<void> {
    if (this.#resting === undefined || !RestingCluster.holds(assigned))
      yield* this.runtime.replaceEndpoints(assigned);
    else this.#resting.assign(assigned);
  }

  status(): ClusterStatus {
    return (this.#resting ?? this.#running!).status();
  }

  /** See `ClusterRuntime.drain`. */
  *drain(): Steps<void> {
    this.#follower?.stop();
    if (this.#running !== undefined) yield* this.#running.drain();
  }

  close(): void {
    this.#follower?.stop();
    this.#running?.close();
  }
}
