/**
 * A cluster that nobody has sent anything to yet: its settings, and what it was assigned. A sidecar of a mesh
 * knows thousands, and needs few. What runs is made when somebody asks for it, which is in the
 * path of a request: so only of clusters that take little time.
 */
import type { FiguresAtRest, Scope } from '#observe/metrics-contract.ts';
import type { ClusterStatus } from '../contract.ts';
import { type AssignedEndpoint, type Assignment, noEndpoints } from './assignment.ts';
import { type ClusterDeps, ClusterRuntime } from './cluster.ts';
import { Endpoint } from './endpoint.ts';
import { healthOf, isExcluded } from './health.ts';
import { looksAhead } from './look-ahead.ts';
import type { ClusterSettings } from './settings.ts';
import { clusterScope } from './stats.ts';
import { countTransport, endpointKey, transportFor } from './transport-match.ts';

/** More of them take too long to be made for a request that waits. */
const MOST_ENDPOINTS = 100;

/** Whether nothing happens in it, nor becomes of it, as long as it has no traffic. */
export function canRest(settings: ClusterSettings, deps: ClusterDeps): boolean {
  const { kind, checks, outlier, children, cache, loadReports, slowStart, subsets, overrides } = settings;
  const { policy, pool, circuit, zones } = settings;
  return (
    (kind === 'static' || kind === 'eds') &&
    [checks, outlier, children, cache, loadReports, slowStart, subsets, overrides].every(
      (part) => part === undefined,
    ) &&
    !policy.hashes &&
    !looksAhead(settings) &&
    pool.binding === undefined &&
    // It counts how its endpoints are spread, with each change of them.
    (zones === undefined || (deps.home?.cluster ?? '') === '') &&
    ![circuit.default, circuit.high].some(
      ({ tracksRemaining, maxHostConnections }) => tracksRemaining || Number.isFinite(maxHostConnections),
    ) &&
    // Threads hear of each other's figures, and share counts.
    deps.thread === undefined
  );
}

export class RestingCluster implements FiguresAtRest {
  readonly settings: ClusterSettings;
  readonly scope: Scope;
  #assigned: Assignment = noEndpoints;
  /** How often it was assigned other endpoints than before. */
  #changes = 0;
  /** Endpoints, at each assignment, that no match of the transport is for. */
  #unmatched = 0;

  /** @param before what it takes the place of: figures go on */
  constructor(settings: ClusterSettings, assigned: Assignment, deps: ClusterDeps, before?: RestingCluster) {
    this.settings = settings;
    if (before?.settings.shownName === settings.shownName) {
      this.#changes = before.#changes;
      this.#unmatched = before.#unmatched;
    }
    this.scope = clusterScope(deps.metrics, settings.shownName, this);
    this.assign(assigned);
  }

  /** Whether it can go on resting with these. */
  static holds({ endpoints }: Assignment): boolean {
    return endpoints.length <= MOST_ENDPOINTS;
  }

  /** Other endpoints. */
  assign(assigned: Assignment): void {
    const before = this.#members();
    this.#assigned = assigned;
    const now = this.#members();
    if (now.size !== before.size || [...now.keys()].some((key) => !before.has(key))) this.#changes++;
    this.#count(1);
  }

  /** What takes its place: it counts the last assignment again. */
  wake(deps: ClusterDeps): ClusterRuntime {
    this.#count(-1);
    if (this.#assigned.endpoints.length > 0) this.#changes--;
    const runtime = new ClusterRuntime(this.settings, deps);
    runtime.setEndpoints(this.#assigned);
    return runtime;
  }

  status(): ClusterStatus {
    const { settings } = this;
    const endpoints = [...this.#members().values()].map(({ address, target, traits }) =>
      new Endpoint(target, address, traits, transportFor(settings, traits.metadata)).status(),
    );
    return { name: settings.name, addedViaApi: true, outlier: undefined, endpoints };
  }

  #count(by: number): void {
    const { settings } = this;
    const { endpoints } = this.#assigned;
    if (settings.transportMatches.length === 0) this.#unmatched += by * endpoints.length;
    else for (const { traits } of endpoints) countTransport(settings, traits.metadata, this.scope, by);
  }

  /** As a cluster with the same endpoints and no traffic has it. */
  figure(name: string): number | undefined {
    switch (name) {
      case 'membership_change':
        return this.#changes;
      case 'default.total_match_count':
        return this.#unmatched;
      case 'membership_total':
        return this.#members().size;
      case 'membership_healthy':
        return this.#membersThat((flags) => healthOf(flags) === 'healthy');
      case 'membership_degraded':
        return this.#membersThat((flags) => healthOf(flags) === 'degraded');
      case 'membership_excluded':
        return this.#membersThat(isExcluded);
      default:
        return undefined;
    }
  }

  #membersThat(accepts: (flags: number) => boolean): number {
    return [...this.#members().values()].filter(({ traits }) => accepts(traits.edsFlags)).length;
  }

  /** By their keys: one of two that are the same. */
  #members(): Map<string, AssignedEndpoint> {
    const members = new Map<string, AssignedEndpoint>();
    for (const endpoint of this.#assigned.endpoints) {
      const { address, traits } = endpoint;
      const key = endpointKey(address, transportFor(this.settings, traits.metadata), traits);
      if (!members.has(key)) members.set(key, endpoint);
    }
    return members;
  }
}
