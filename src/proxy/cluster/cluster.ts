/** A cluster in force: its endpoints, how one is chosen, its pools, limits and figures. */
import { atOnce, inSlices, type Steps } from '#core/time-slice.ts';
import type { TimerWheel } from '#core/timer-wheel.ts';
import type { H2Surroundings } from '#http/codec/h2/connection-events.ts';
import type { Metadata } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type { ClusterStatus, EndpointStatus } from '../contract.ts';
import type { DataPathDeps } from '../data-path-deps.ts';
import type { HostCaches } from '../dns/cache.ts';
import type { InternalListeners } from '../pool/connect.ts';
import type { ConnectionPool } from '../pool/contract.ts';
import { EndpointPools, type PooledDownstream } from '../pool/endpoint-pools.ts';
import { TcpUpstream } from '../pool/tcp-upstream.ts';
import type { RequestPriority } from '../route/action.ts';
import { type Fraction, noRuntime, type RuntimeValues } from '../runtime/values.ts';
import type { UpstreamTransport } from '../tls/upstream.ts';
import { Aggregate } from './aggregate.ts';
import { AssignedEndpoints } from './assigned-endpoints.ts';
import { type Assignment, noEndpoints } from './assignment.ts';
import type { Balancer } from './balancer.ts';
import { type BreakerDeps, CircuitBreaker } from './circuit-breaker.ts';
import { ClientSideWeights } from './client-side-weights.ts';
import { createBalancer } from './create-balancer.ts';
import { DynamicHosts } from './dynamic-hosts.ts';
import type { Endpoint } from './endpoint.ts';
import { EndpointHealth, type HealthChange, type HostEvent } from './endpoint-health.ts';
import { healthFlag, healthOf } from './health.ts';
import { LookAhead, looksAhead } from './look-ahead.ts';
import { OriginalDestinations } from './original-destinations.ts';
import type { PickContext } from './pick-context.ts';
import { type PlacedHealth, prioritiesOf } from './priority-members.ts';
import type { ClusterSettings } from './settings.ts';
import { baseLayout, type ClusterStats, createClusterStats } from './stats.ts';
import { statsLayout, transportsOf } from './stats-layout.ts';
import { countTransport, transportFor, transportOf } from './transport-match.ts';
import { ZoneCounters } from './zone-counters.ts';

export interface ClusterDeps extends DataPathDeps {
  readonly wheel: TimerWheel;
  readonly internal: InternalListeners;
  readonly hostCaches: HostCaches;
  /** What HTTP/2 connections share. */
  readonly h2: H2Surroundings;
  /** A mistake of ours while something of one request was done: it is logged and counted. */
  onException(error: unknown): void;
  /** The cluster in force that has the name. */
  cluster(name: string): ClusterRuntime | undefined;
}

const noMaintenance: Fraction = { numerator: 0, parts: 100 };
/** Of an endpoint that is in no assignment any more, and not well. */
const GONE = healthFlag.pending_dynamic_removal | healthFlag.failed_active_hc;

export class ClusterRuntime {
  readonly settings: ClusterSettings;
  readonly name: string;
  /** In figures and logs. */
  readonly shownName: string;
  readonly metadata: Metadata | undefined;
  readonly stats: ClusterStats;
  /** Of requests with default priority. */
  readonly breaker: CircuitBreaker;
  /** Only for clusters whose endpoints are the hosts requests name. */
  readonly dynamic: DynamicHosts | undefined;
  /** Only for clusters whose endpoints are where connections were made to. */
  readonly original: OriginalDestinations | undefined;
  /** How much of the requests is turned down, as the assignment says; 0 to 1. */
  dropRatio = 0;
  readonly #deps: ClusterDeps;
  readonly #hosts: Balancer;
  /** Where weights follow from what endpoints report. */
  readonly #weights: ClientSideWeights | undefined;
  /** Only where connections are made to endpoints that will be picked. */
  readonly #ahead: LookAhead | undefined;
  /** Only for clusters of clusters. */
  readonly #aggregate: Aggregate | undefined;
  readonly #breakerDeps: BreakerDeps;
  /** Whether some requests are refused because operators say so. */
  inMaintenance = false;
  #highBreaker: CircuitBreaker | undefined;
  /** Where that is a matter of more than load assignments. */
  readonly #health: EndpointHealth | undefined;
  readonly #assignedEndpoints: AssignedEndpoints;
  #assigned: Assignment = noEndpoints;
  #membershipChanges = 0;
  #closed = false;

  constructor(settings: ClusterSettings, deps: ClusterDeps) {
    this.settings = settings;
    this.name = settings.name;
    this.shownName = settings.shownName;
    this.metadata = settings.metadata;
    this.#deps = deps;
    const layout = statsLayout(settings) ?? baseLayout;
    this.stats = createClusterStats(deps.metrics, settings.shownName, { layout });
    for (const transport of transportsOf(settings)) transport.open(this.stats.scope);
    settings.pool.binding?.count(this.stats.scope);
    this.#breakerDeps = {
      scope: this.stats.scope,
      shared: deps.sharedCounts?.('cluster', settings.name),
      isFirst: (deps.thread?.index ?? 0) === 0,
    };
    this.breaker = new CircuitBreaker(settings.circuit.default, 'default', this.#breakerDeps);
    const cache = settings.cache && deps.hostCaches.get(settings.cache);
    const { secure } = settings.transport;
    this.dynamic = cache && new DynamicHosts(() => this.#transportFor(undefined), secure, cache);
    this.original = this.#originalDestinations();
    this.#health = this.#endpointHealth();
    const { children, panicPercent } = settings;
    this.#aggregate = children && new Aggregate(children, panicPercent, deps);
    this.#hosts = createBalancer(settings, this.stats, deps);
    this.#weights = this.#clientSideWeights();
    this.#assignedEndpoints = new AssignedEndpoints(this, {
      settings,
      transportFor: (metadata) => this.#transportFor(metadata),
      hosts: this.#hosts,
      zones: new ZoneCounters(deps.home?.locality?.zone ?? '', this.stats.scope),
      health: this.#health,
      weights: this.#weights,
      onReplaced: (assigned, changed) => this.#onReplaced(assigned, changed),
      onRefreshed: () => this.#countMembers(),
    });
    if (looksAhead(settings)) this.#ahead = new LookAhead(this.#hosts, () => this.#membershipChanges);
    if (this.#runtime.version > 0) this.onRuntime();
  }

  #clientSideWeights(): ClientSideWeights | undefined {
    const { loadReports } = this.settings;
    if (loadReports === undefined) return undefined;
    return new ClientSideWeights(loadReports, {
      clock: this.#deps.clock,
      wheel: this.#deps.wheel,
      endpoints: () => this.endpoints,
      onChange: () => {
        this.#hosts.noteWeights();
        void inSlices(this.#hosts.refresh());
      },
    });
  }

  get #runtime(): RuntimeValues {
    return this.#deps.runtime ?? noRuntime;
  }

  get #maintenanceKey(): string {
    return `upstream.maintenance_mode.${this.name}`;
  }

  /** Whether the request with that random value is refused for maintenance; it is counted. */
  refusesFor(randomValue: number): boolean {
    const { numerator, parts } = this.#runtime.fraction(this.#maintenanceKey, noMaintenance);
    if (randomValue % parts >= numerator) return false;
    this.stats.upstream_rq_maintenance_mode.inc();
    this.stats.countStatus(503);
    return true;
  }

  /** Values of the runtime have changed. */
  onRuntime(): void {
    const keys = `circuit_breakers.${this.name}`;
    const { numerator } = this.#runtime.fraction(this.#maintenanceKey, noMaintenance);
    this.inMaintenance = numerator > 0;
    this.breaker.readRuntime(this.#runtime, `${keys}.default.`);
    this.#highBreaker?.readRuntime(this.#runtime, `${keys}.high.`);
    this.#health?.onRuntime();
  }

  #endpointHealth(): EndpointHealth | undefined {
    const { name, outlier, checks, ignoresNew, circuit, pool } = this.settings;
    const perHost = [circuit.default, circuit.high].some((limits) =>
      Number.isFinite(limits.maxHostConnections),
    );
    if (outlier === undefined && checks === undefined && !perHost) return undefined;
    const { clock, random, wheel, thread, outlierLogPath } = this.#deps;
    return new EndpointHealth(
      { name, outlier, checks, ignoresNew, pool },
      {
        ...{ clock, random, wheel, thread, scope: this.stats.scope, runtime: this.#runtime },
        memory: this.#deps.sharedHosts?.(),
        ...{ outlierLogPath, poolDeps: this.#deps },
        openLog: (path) => this.#deps.openLog(path),
        transportFor: (endpoint) =>
          checks?.matchCriteria === undefined
            ? endpoint.transport
            : transportOf(this.settings, checks.matchCriteria),
        tellThreads: (event) => this.#deps.tellThreads?.(name, event),
        onChange: (changes) => this.#onHealth(changes),
      },
    );
  }

  /** Resolves when its endpoints have been checked once, where they are checked. */
  checkedOnce(): Promise<void> {
    return this.#health?.checkedOnce() ?? Promise.resolve();
  }

  /** Another thread tells of the endpoints. */
  hearThreads(event: HostEvent): void {
    this.#health?.hear(event);
  }

  #onHealth(changes: readonly HealthChange[]): void {
    const nowMs = this.#deps.clock.nowMs();
    for (const { endpoint, before } of changes) {
      if ((before & ~endpoint.flags & healthFlag.failed_active_hc) !== 0) endpoint.healthySinceMs = nowMs;
    }
    this.#membershipChanges++;
    this.#hosts.noteChange();
    const refreshed = (): void => this.#countMembers();
    // Tables of hashes take long.
    if (this.settings.policy.hashes) void inSlices(this.#hosts.refresh()).then(refreshed);
    else {
      atOnce(this.#hosts.refresh());
      refreshed();
    }
    let gone = false;
    for (const { endpoint, before } of changes) {
      gone ||= (endpoint.flags & GONE) === GONE;
      if (healthOf(endpoint.flags) !== 'unhealthy' || healthOf(before) === 'unhealthy') continue;
      endpoint.renewPools();
      if (this.settings.closesUnhealthy) endpoint.closeTunnels();
    }
    if (gone) void inSlices(this.replaceEndpoints(this.#assigned));
  }

  #originalDestinations(): OriginalDestinations | undefined {
    const { originalDestination } = this.settings;
    if (originalDestination === undefined) return undefined;
    return new OriginalDestinations(originalDestination, {
      name: this.name,
      transport: () => this.#transportFor(undefined),
      wheel: this.#deps.wheel,
      invalid: this.stats.scope.counter('original_dst_host_invalid'),
      onChange: () => {
        const { membership_change, membership_total, membership_healthy } = this.stats;
        const { size } = this.original!;
        membership_change.inc();
        membership_total.set(size);
        membership_healthy.set(size);
      },
    });
  }

  setEndpoints(assigned: Assignment): void {
    atOnce(this.replaceEndpoints(assigned));
  }

  breakerOf(priority: RequestPriority): CircuitBreaker {
    if (priority === 'default') return this.breaker;
    if (this.#highBreaker !== undefined) return this.#highBreaker;
    this.#highBreaker = new CircuitBreaker(this.settings.circuit.high, 'high', this.#breakerDeps);
    this.#highBreaker.readRuntime(this.#runtime, `circuit_breakers.${this.name}.high.`);
    return this.#highBreaker;
  }

  /**
   * Takes the place of the endpoints there were, all at the same time; those that stay keep their connections.
   * Gives way to a call that comes while it is under way.
   */
  *replaceEndpoints(assigned: Assignment): Steps<void> {
    this.#assigned = assigned;
    yield* this.#assignedEndpoints.replace(assigned);
  }

  #onReplaced(assigned: Assignment, changed: boolean): void {
    this.dropRatio = assigned.dropRatio;
    this.#membershipChanges++;
    if (changed) {
      this.stats.membership_change.inc();
      if (this.settings.renewsOnChange) for (const endpoint of this.endpoints) endpoint.renewPools();
    }
  }

  #countMembers(): void {
    const { membership_total, membership_healthy, membership_degraded, membership_excluded } = this.stats;
    const { healthy, degraded, excluded } = this.#hosts.members();
    membership_total.set(this.#hosts.endpoints.length);
    membership_healthy.set(healthy);
    membership_degraded.set(degraded);
    membership_excluded.set(excluded);
  }

  /** Whether endpoints are made for the hosts that requests name. */
  get isDynamic(): boolean {
    return this.dynamic !== undefined;
  }

  /** Of hosts that requests name without a port. */
  get defaultPort(): number | undefined {
    return this.dynamic?.defaultPort;
  }

  /** Whether endpoints are made when somebody asks for them, one for each request. */
  get isOnDemand(): boolean {
    return this.dynamic !== undefined || this.original !== undefined;
  }

  /** Undefined where there is none to be had. */
  pick(context: PickContext): Endpoint | undefined {
    const endpoint = (this.#aggregate ?? this.#ahead ?? this.#hosts).pick(context);
    if (endpoint === undefined) this.stats.upstream_cx_none_healthy.inc();
    return endpoint;
  }

  /** For a cluster that this one is a part of, and which has chosen a priority. */
  pickAt(context: PickContext): Endpoint | undefined {
    return this.#hosts.pick(context);
  }

  /** How its endpoints do, priority by priority; others perhaps when {@link membershipChanges} is another. */
  priorities(): readonly PlacedHealth[] {
    return prioritiesOf(this.endpoints, this.#assigned.policy);
  }

  /**
   * @param downstreamMajor version of HTTP the request came by; some clusters follow it.
   * @param downstream the connection it came by; some endpoints are told of it.
   * @param serverName the server it is for, where the cluster asks for TLS by that; '' else.
   * @param priority each has connections of its own.
   */
  poolOf(
    endpoint: Endpoint,
    downstreamMajor: 1 | 2,
    downstream: PooledDownstream,
    serverName = '',
    priority: RequestPriority = 'default',
  ): ConnectionPool {
    this.#ahead?.prepare(this.endpoints, this.settings.pool.preconnect.predictive, (next) =>
      this.#poolTo(next, downstreamMajor, downstream, serverName, priority),
    );
    return this.#poolTo(endpoint, downstreamMajor, downstream, serverName, priority);
  }

  #poolTo(
    endpoint: Endpoint,
    downstreamMajor: 1 | 2,
    downstream: PooledDownstream,
    serverName: string,
    priority: RequestPriority,
  ): ConnectionPool {
    let pool = priority === 'default' ? endpoint.pool : endpoint.highPool;
    if (pool === undefined) {
      const { settings, stats } = endpoint.owner ?? this;
      const breaker = (endpoint.owner ?? this).breakerOf(priority);
      pool = new EndpointPools(endpoint, settings.pool, breaker, stats, this.#deps);
      if (priority === 'default') endpoint.pool = pool;
      else endpoint.highPool = pool;
    }
    const { originalSource } = downstream;
    if (originalSource !== undefined) pool = pool.from(originalSource);
    return pool.of(downstreamMajor, downstream, serverName);
  }

  /** A plain connection for one request (CONNECT). */
  tcpPoolOf(endpoint: Endpoint, downstream: PooledDownstream, priority: RequestPriority): ConnectionPool {
    const { proxyHeader } = endpoint.transport;
    const { originalSource } = downstream;
    const owner = endpoint.owner ?? this;
    return new TcpUpstream(endpoint, owner, {
      ...this.#deps,
      breaker: owner.breakerOf(priority),
      ...(proxyHeader !== undefined && { downstream }),
      ...(originalSource !== undefined && { originalSource }),
    });
  }

  /** How often endpoints, or what is known of them, have changed. */
  get membershipChanges(): number {
    return this.#membershipChanges;
  }

  get endpoints(): readonly Endpoint[] {
    return this.#hosts.endpoints;
  }

  /** What runs goes on; nothing new begins. */
  *drain(): Steps<void> {
    this.#closed = true;
    this.original?.close();
    this.dynamic?.close();
    this.breaker.retire();
    this.#highBreaker?.retire();
    this.#health?.close();
    this.#weights?.close();
    for (const transport of transportsOf(this.settings)) transport.close();
    for (const endpoint of this.#all()) {
      endpoint.removed = true;
      endpoint.drainPools();
      yield;
    }
  }

  get closed(): boolean {
    return this.#closed;
  }

  close(): void {
    atOnce(this.drain());
    for (const endpoint of this.#all()) {
      endpoint.closePools();
      endpoint.closeTunnels();
    }
  }

  #all(): Endpoint[] {
    return [
      ...this.#assignedEndpoints.all(),
      ...(this.dynamic?.endpoints ?? []),
      ...(this.original?.endpoints ?? []),
    ];
  }

  status(): ClusterStatus {
    return {
      name: this.name,
      addedViaApi: true,
      outlier: this.#health?.outlierStatus(),
      endpoints: statusesOf(this.#all(), this.#health),
    };
  }

  #transportFor(metadata: Metadata | undefined): UpstreamTransport {
    countTransport(this.settings, metadata, this.stats.scope);
    return transportFor(this.settings, metadata);
  }
}

function* statusesOf(
  endpoints: readonly Endpoint[],
  health: EndpointHealth | undefined,
): Generator<EndpointStatus, void, undefined> {
  for (const endpoint of endpoints) yield endpoint.status(health?.ratesOf(endpoint));
}
