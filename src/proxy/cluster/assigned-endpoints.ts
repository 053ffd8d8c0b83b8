/** The endpoints that a cluster was assigned: one assignment takes the place of another, and those that stay are kept. */
import type { Steps } from '#core/time-slice.ts';
import type { Metadata } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type { UpstreamTransport } from '../tls/upstream.ts';
import type { Assignment } from './assignment.ts';
import type { Balancer } from './balancer.ts';
import type { ClientSideWeights } from './client-side-weights.ts';
import type { ClusterRuntime } from './cluster.ts';
import { Endpoint } from './endpoint.ts';
import type { EndpointHealth } from './endpoint-health.ts';
import { EDS_FLAGS } from './health.ts';
import type { ClusterSettings } from './settings.ts';
import { endpointKey } from './transport-match.ts';
import type { ZoneCounters } from './zone-counters.ts';

/** The parts of the cluster that endpoints come to and go from. */
export interface EndpointHolders {
  readonly settings: ClusterSettings;
  transportFor(metadata: Metadata | undefined): UpstreamTransport;
  readonly hosts: Balancer;
  readonly zones: ZoneCounters;
  readonly health: EndpointHealth | undefined;
  readonly weights: ClientSideWeights | undefined;
  /** The assignment is in force. @param changed whether endpoints came or went */
  onReplaced(assigned: Assignment, changed: boolean): void;
  /** What is chosen from follows the flags of endpoints. */
  onRefreshed(): void;
}

export class AssignedEndpoints {
  readonly #owner: ClusterRuntime;
  readonly #holders: EndpointHolders;
  #byKey: ReadonlyMap<string, Endpoint> = new Map();
  #replacements = 0;

  constructor(owner: ClusterRuntime, holders: EndpointHolders) {
    this.#owner = owner;
    this.#holders = holders;
  }

  all(): Iterable<Endpoint> {
    return this.#byKey.values();
  }

  /**
   * Takes the place of the endpoints there were, all at the same time; those that stay keep their connections.
   * Gives way to a call that comes while it is under way.
   */
  *replace(assigned: Assignment): Steps<void> {
    const { settings, transportFor, hosts, zones, health, weights, onReplaced, onRefreshed } = this.#holders;
    const replacement = ++this.#replacements;
    const next = new Map<string, Endpoint>();
    const fresh: Endpoint[] = [];
    for (const { address, target, traits } of assigned.endpoints) {
      const transport = transportFor(traits.metadata);
      // The connections of a logical host outlast its address.
      const place = settings.kind === 'logical-dns' ? '' : address;
      const key = endpointKey(place, transport, traits);
      if (next.has(key)) continue;
      const known = this.#byKey.get(key);
      if (known !== undefined) {
        Object.assign(known.traits, traits);
        known.flags = (known.flags & ~EDS_FLAGS) | traits.edsFlags;
        health?.setGone(known, false);
        known.transport = transport;
        known.zoneCount = zones.to(traits.locality.zone);
        if (known.address !== address) known.moveTo(target, address);
        next.set(key, known);
      } else {
        const endpoint = new Endpoint(target, address, { ...traits }, transport);
        endpoint.owner = this.#owner;
        health?.admit(key, endpoint);
        weights?.admit(endpoint);
        endpoint.zoneCount = zones.to(traits.locality.zone);
        next.set(key, endpoint);
        fresh.push(endpoint);
      }
      yield;
      if (replacement !== this.#replacements) return this.#dismiss(fresh);
    }
    this.#keepHealthy(next);
    // In the order of the assignment, as hash tables may depend on it.
    if (!(yield* hosts.replace([...next.values()], assigned.policy))) return this.#dismiss(fresh);
    const before = this.#byKey;
    this.#byKey = next;
    onReplaced(assigned, fresh.length > 0 || before.size > next.size);
    yield* hosts.refresh();
    onRefreshed();
    for (const [key, endpoint] of before) {
      if (next.has(key)) continue;
      endpoint.removed = true;
      health?.dismiss(endpoint);
      endpoint.drainPools();
      yield;
    }
  }

  /** Those that are well by active checks stay, though no assignment has them. */
  #keepHealthy(next: Map<string, Endpoint>): void {
    const { health, settings } = this.#holders;
    if (health === undefined || settings.dropsHealthy) return;
    for (const [key, endpoint] of this.#byKey) {
      if (next.has(key) || !health.keeps(endpoint)) continue;
      health.setGone(endpoint, true);
      next.set(key, endpoint);
    }
  }

  #dismiss(endpoints: readonly Endpoint[]): void {
    for (const endpoint of endpoints) this.#holders.health?.dismiss(endpoint);
  }
}
