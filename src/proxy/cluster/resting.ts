/**
 * A cluster that nobody has sent anything to yet: its settings, and what it was assigned. A sidecar of a mesh
 * knows thousands, and needs few. What runs is made when somebody asks for it, which is in the
 * path of a request: so only of clusters that take little time.
 */
import type { FiguresAtRest, Scope } from '#observe/metrics-contract.ts';
import type { ClusterStatus } from '../contract.ts';
import type { HeldText } from '../held-text.ts';
import { noRuntime } from '../runtime/values.ts';
import { CLIENT_FACTORY, secretUpdatesName } from '../tls/tls-stats.ts';
import type { AssignedEndpoint, Assignment } from './assignment.ts';
import { type ClusterDeps, ClusterRuntime } from './cluster.ts';
import { Endpoint } from './endpoint.ts';
import { healthOf, isExcluded } from './health.ts';
import { type KeptAssignment, keptNone } from './kept-assignment.ts';
import { looksAhead } from './look-ahead.ts';
import { noRates } from './outlier/success-rate.ts';
import { RestingSettings } from './resting-settings.ts';
import type { ClusterSettings } from './settings.ts';
import { sharedTraits } from './shared-settings.ts';
import { baseLayout, clusterScope } from './stats.ts';
import { remainingAtRest, statsLayout } from './stats-layout.ts';
import { endpointKey, matchCountName, matchNameFor, transportFor } from './transport-match.ts';

/** More of them take too long to be made for a request that waits. */
const MOST_ENDPOINTS = 100;

const SECRET_UPDATES = secretUpdatesName(CLIENT_FACTORY);
/** Of endpoints that had no requests. */
const nothingSeen = { external: noRates, local: noRates };
const noneMatched: readonly (readonly [string, number])[] = [];

/** Whether nothing happens in it, nor becomes of it, as long as it has no traffic. */
export function canRest(settings: ClusterSettings, deps: ClusterDeps): boolean {
  const { kind, checks, children, cache, loadReports, slowStart, subsets, overrides } = settings;
  const { policy, pool, circuit, zones } = settings;
  return (
    (kind === 'static' || kind === 'eds') &&
    [checks, children, cache, loadReports, slowStart, subsets, overrides].every(
      (part) => part === undefined,
    ) &&
    !policy.hashes &&
    !looksAhead(settings) &&
    pool.binding === undefined &&
    // It counts how its endpoints are spread, with each change of them.
    (zones === undefined || (deps.home?.cluster ?? '') === '') &&
    ![circuit.default, circuit.high].some(({ maxHostConnections }) => Number.isFinite(maxHostConnections)) &&
    statsLayout(settings) !== undefined &&
    // Threads hear of each other's figures, and share counts.
    deps.thread === undefined
  );
}

/** What a cluster was assigned, as it is read and as it can be kept. */
export interface GivenEndpoints {
  readonly assigned: Assignment;
  readonly kept: KeptAssignment;
}

/** What a cluster says, and the text of its bytes, where there are some. */
export interface GivenSettings {
  readonly settings: ClusterSettings;
  readonly text: HeldText | undefined;
}

/** How many endpoints there are, of each health. */
interface Members {
  readonly total: number;
  readonly healthy: number;
  readonly degraded: number;
  readonly excluded: number;
}

const noMembers: Members = { total: 0, healthy: 0, degraded: 0, excluded: 0 };

export class RestingCluster implements FiguresAtRest {
  readonly settings: RestingSettings;
  readonly scope: Scope;
  readonly #deps: ClusterDeps;
  #kept: KeptAssignment = keptNone;
  #members: Members = noMembers;
  /** How often it was assigned other endpoints than before. */
  #changes = 0;
  /** Endpoints that took a match of the transport, at each assignment, by its name. */
  #matched: readonly (readonly [match: string, count: number])[] = noneMatched;
  /** Secrets that came, those of the start among them. */
  #secretUpdates: number;
  /** What runs from now on counts what there is from the start. */
  #isWaking = false;

  /** @param before what it takes the place of: figures go on */
  constructor(
    { settings, text }: GivenSettings,
    given: GivenEndpoints,
    deps: ClusterDeps,
    before?: RestingCluster,
  ) {
    this.settings = new RestingSettings(settings, text);
    this.#deps = deps;
    this.#secretUpdates = this.settings.dynamicSecrets;
    if (before?.settings.shownName === settings.shownName) {
      this.#changes = before.#changes;
      this.#matched = before.#matched;
      this.#secretUpdates += before.#secretUpdates;
    }
    const layout = statsLayout(settings) ?? baseLayout;
    this.scope = clusterScope(deps.metrics, settings.shownName, { layout, atRest: this });
    this.assign(given, settings);
  }

  /** Whether it can go on resting with these. */
  static holds({ endpoints }: Assignment): boolean {
    return endpoints.length <= MOST_ENDPOINTS;
  }

  /** Other endpoints. @param settings its own */
  assign(
    { assigned, kept }: GivenEndpoints,
    settings: ClusterSettings = this.settings.whole(this.#deps),
  ): void {
    const before = byKey(this.#kept.read(), settings);
    const now = byKey(assigned, settings);
    this.#kept = kept;
    if (now.size !== before.size || [...now.keys()].some((key) => !before.has(key))) this.#changes++;
    this.#members = membersOf([...now.values()]);
    this.#count(assigned, settings, 1);
  }

  /** There is another secret of that key. */
  noteSecret(key: string): void {
    this.#secretUpdates += this.settings.naming(key);
  }

  /** What takes its place: it counts the last assignment again, and the secrets it begins with. */
  wake(): ClusterRuntime {
    const assigned = this.#kept.read();
    const settings = this.settings.whole(this.#deps);
    this.#count(assigned, settings, -1);
    if (assigned.endpoints.length > 0) this.#changes--;
    this.#secretUpdates -= this.settings.dynamicSecrets;
    this.#isWaking = true;
    const runtime = new ClusterRuntime(settings, this.#deps);
    runtime.setEndpoints(assigned);
    return runtime;
  }

  status(): ClusterStatus {
    const settings = this.settings.whole(this.#deps);
    const endpoints = [...byKey(this.#kept.read(), settings).values()].map(({ address, target, traits }) =>
      new Endpoint(target, address, traits, transportFor(settings, traits.metadata)).status(),
    );
    return { name: settings.name, addedViaApi: true, outlier: settings.outlier && nothingSeen, endpoints };
  }

  #count({ endpoints }: Assignment, settings: ClusterSettings, by: number): void {
    const counts = new Map(this.#matched);
    for (const { traits } of endpoints) {
      const match = matchNameFor(settings, traits.metadata);
      counts.set(match, (counts.get(match) ?? 0) + by);
    }
    this.#matched = sharedTraits([...counts]);
  }

  /** As a cluster with the same endpoints and no traffic has it. */
  figure(name: string): number | undefined {
    switch (name) {
      case 'membership_change':
        return this.#changes;
      case 'membership_total':
        return this.#members.total;
      case 'membership_healthy':
        return this.#members.healthy;
      case 'membership_degraded':
        return this.#members.degraded;
      case 'membership_excluded':
        return this.#members.excluded;
      case SECRET_UPDATES:
        return this.#secretUpdates;
      default:
        return this.#matchCount(name) ?? this.#remaining(name);
    }
  }

  #matchCount(name: string): number | undefined {
    return this.#matched.find(([match]) => matchCountName(match) === name)?.[1];
  }

  #remaining(name: string): number | undefined {
    if (this.#isWaking) return undefined;
    return remainingAtRest(name, this.settings, this.#deps.runtime ?? noRuntime);
  }
}

/** Endpoints by their keys: one of two that are the same. */
function byKey({ endpoints }: Assignment, settings: ClusterSettings): Map<string, AssignedEndpoint> {
  const members = new Map<string, AssignedEndpoint>();
  for (const endpoint of endpoints) {
    const { address, traits } = endpoint;
    const key = endpointKey(address, transportFor(settings, traits.metadata), traits);
    if (!members.has(key)) members.set(key, endpoint);
  }
  return members;
}

function membersOf(endpoints: readonly AssignedEndpoint[]): Members {
  const count = (accepts: (flags: number) => boolean): number =>
    endpoints.filter(({ traits }) => accepts(traits.edsFlags)).length;
  return sharedTraits({
    total: endpoints.length,
    healthy: count((flags) => healthOf(flags) === 'healthy'),
    degraded: count((flags) => healthOf(flags) === 'degraded'),
    excluded: count(isExcluded),
  });
}
