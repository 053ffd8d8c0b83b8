/**
 * The data path as configuration sees it: resources are read and compiled when they are prepared,
 * and put in the place of their predecessors when they are installed.
 */
import type { Any } from '@bufbuild/protobuf/wkt';
import { FewByKey } from '#core/few-by-key.ts';
import type { Parsed, Problem } from '#core/problem.ts';
import { inSlices, type Steps } from '#core/time-slice.ts';
import { TimerWheel } from '#core/timer-wheel.ts';
import { BodyMemory } from '#http/codec/h2/body-memory.ts';
import { FlushQueue } from '#http/codec/h2/flush-queue.ts';
import type { Counter } from '#observe/metrics-contract.ts';
import type { Cluster } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { ClusterLoadAssignment } from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import type { RouteConfiguration } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import { isUnpacked } from '#xds/registry.ts';
import { ActiveCluster } from './cluster/active-cluster.ts';
import { type Assignment, noEndpoints, readAssignment } from './cluster/assignment.ts';
import { ClusterRuntime } from './cluster/cluster.ts';
import type { HostEvent } from './cluster/endpoint-health.ts';
import { KeptAssignment, keptNone } from './cluster/kept-assignment.ts';
import { type ClusterManagerStats, createClusterManagerStats } from './cluster/manager-stats.ts';
import { canRest, type GivenSettings, RestingCluster } from './cluster/resting.ts';
import { type ClusterSettings, readCluster } from './cluster/settings.ts';
import type {
  ClusterStatus,
  ListenerStatus,
  ListenerStop,
  LocalDataPath,
  LocalPrepared,
  OpenSocket,
  PreparedListener,
  Staged,
  StagedListener,
} from './contract.ts';
import type { DataPathDeps } from './data-path-deps.ts';
import { Extensions } from './discovered.ts';
import { HostCaches } from './dns/cache.ts';
import { otherSettings } from './dns/cache-settings.ts';
import { DnsFollower } from './dns/follow.ts';
import { Findings } from './findings.ts';
import { HostDemand } from './hcm/host-demand.ts';
import type { HeldText } from './held-text.ts';
import type { ListenerDeps } from './listen/listener.ts';
import { ListenerTable } from './listen/listener-table.ts';
import { chainsOf, readListener } from './listen/settings.ts';
import { inlineRoutes } from './route/inline-routes.ts';
import { compileRouteSteps, compileRoutesBefore, type RouteTable } from './route/table.ts';
import { HeldMetrics, ScopeHolders } from './scope-holders.ts';

export type { DataPathDeps } from './data-path-deps.ts';

export function createDataPath(deps: DataPathDeps): LocalDataPath {
  return new ProxyDataPath(deps);
}

interface ActiveRoutes {
  readonly table: RouteTable;
  /** That its figures are in. */
  readonly metrics: HeldMetrics;
}

class ProxyDataPath implements LocalDataPath {
  readonly #deps: Omit<ListenerDeps, 'listenerAt'>;
  readonly #clusters = new Map<string, ActiveCluster>();
  readonly #staged = new Set<ActiveCluster>();
  /** All of these, by the assignments they take. */
  readonly #takers = new FewByKey<ActiveCluster>();
  readonly #assignments = new Map<string, KeptAssignment>();
  readonly #routes = new Map<string, ActiveRoutes>();
  readonly #listeners: ListenerTable;
  readonly #exceptions: Counter;
  readonly #stats: ClusterManagerStats;
  #connectionId: number;

  constructor(deps: DataPathDeps) {
    const { index, count } = deps.thread ?? { index: 0, count: 1 };
    // Each thread has every count-th number.
    this.#connectionId = index + 1 - count;
    this.#exceptions = deps.metrics
      .scope({ path: 'server', family: 'server', labels: {} })
      .counter('request_exceptions');
    this.#stats = createClusterManagerStats(deps.metrics);
    const wheel = new TimerWheel(deps.clock);
    deps.overload?.timers.attach(wheel);
    const hostCaches = new HostCaches({ ...deps, wheel });
    this.#deps = {
      ...deps,
      wheel,
      h2: {
        flushes: new FlushQueue(setImmediate),
        wheel,
        clock: deps.clock,
        random: deps.random,
        memory: new BodyMemory(deps.bodyMemoryBytes),
      },
      hostCaches,
      // Filters and clusters see the same answers.
      hostCache: (settings) => hostCaches.get(settings),
      health: { failed: false },
      internal: { connect: (name) => this.#listeners.connectInternal(name) },
      routes: (name) => this.#routes.get(name)?.table,
      scopes: new ScopeHolders(deps.metrics),
      hostDemand: new HostDemand((routes, host) => deps.demandHost?.(routes, host)),
      extensions: new Extensions(),
      cluster: (name) => this.#clusters.get(name)?.runtime,
      nextConnectionId: () => (this.#connectionId += count),
      onException: (error) => this.#onException(error),
    };
    this.#listeners = new ListenerTable(this.#deps);
    deps.secrets.on('change', this.#onSecret);
  }

  readonly #onSecret = (key: string): void => {
    for (const { resting } of [...this.#clusters.values(), ...this.#staged]) resting?.noteSecret(key);
  };

  onRuntime(): void {
    for (const { awake } of [...this.#clusters.values(), ...this.#staged]) awake?.onRuntime();
    this.#listeners.onRuntime();
  }

  get armedTimers(): number {
    return this.#deps.wheel.size;
  }

  *prepareCluster(cluster: Cluster, text?: HeldText): Steps<Parsed<LocalPrepared>> {
    const findings = new Findings();
    const settings = readCluster(cluster, this.#deps, findings);
    const { loadAssignment: own } = cluster;
    const assigned =
      own === undefined ? noEndpoints : yield* readAssignment(own, 'load_assignment.', findings);
    const { cache } = settings;
    if (cache !== undefined && this.#deps.hostCaches.get(cache) === undefined)
      findings.error('cluster_type.typed_config.dns_cache_config', otherSettings(cache.name));
    if (settings.kind === 'static') yield* refuseNames(assigned.endpoints, findings);
    const stage = (): Promise<Staged> => this.#stageCluster({ settings, text }, assigned);
    let early: Promise<Staged> | undefined;
    let isInForce = false;
    return findings.result<LocalPrepared>({
      name: settings.name,
      dependencies: {
        routes: nothing,
        endpoints: settings.kind === 'eds' ? [settings.assignment] : nothing,
        secrets: settings.secrets,
        extensions: nothing,
      },
      stage,
      install: async () => {
        isInForce = true;
        await (await (early ?? stage())).commit();
      },
      ...(settings.checks !== undefined && {
        warm: async () => {
          early ??= stage();
          await (await early).warm?.();
        },
        abandon: () => {
          if (!isInForce) void early?.then((staged) => staged.abandon());
        },
      }),
    });
  }

  /** The runtime is made in the same call: counts held for it are its own. */
  async #stageCluster(given: GivenSettings, assigned: Assignment): Promise<Staged> {
    const { settings } = given;
    const { name } = settings;
    const staged = this.#restingCluster(given, assigned) ?? (await this.#runningCluster(settings, assigned));
    // What other threads tell is for it too.
    this.#staged.add(staged);
    this.#addTaker(staged);
    return {
      commit: () => this.#commitCluster(name, staged),
      ...(settings.checks !== undefined && { warm: () => staged.runtime.checkedOnce() }),
      abandon: () => {
        this.#staged.delete(staged);
        this.#removeTaker(staged);
        staged.close();
        if (!this.#clusters.has(name)) this.#deps.metrics.removeScope(staged.scopePath);
      },
    };
  }

  /** Undefined where it cannot be at rest. */
  #restingCluster(given: GivenSettings, own: Assignment): ActiveCluster | undefined {
    const { settings } = given;
    const { kind, assignment } = settings;
    const kept =
      kind === 'eds' ? (this.#assignments.get(assignment.key) ?? keptNone) : new KeptAssignment(own);
    // One that had traffic will have more.
    const before = this.#clusters.get(settings.name);
    if (before?.awake !== undefined || !canRest(settings, this.#deps)) return undefined;
    const assigned = kept.read();
    if (!RestingCluster.holds(assigned)) return undefined;
    const resting = new RestingCluster(given, { assigned, kept }, this.#deps, before?.resting);
    return new ActiveCluster(resting);
  }

  async #runningCluster(settings: ClusterSettings, assigned: Assignment): Promise<ActiveCluster> {
    const { kind } = settings;
    const runtime = new ClusterRuntime(settings, this.#deps);
    const isDns = kind === 'strict-dns' || kind === 'logical-dns';
    const follower = isDns ? new DnsFollower(runtime, assigned, this.#deps) : undefined;
    if (kind === 'eds') await this.#assignTo(runtime);
    else if (follower === undefined) await inSlices(runtime.replaceEndpoints(assigned));
    else await follower.begin();
    return new ActiveCluster(runtime, follower);
  }

  async #commitCluster(name: string, staged: ActiveCluster): Promise<void> {
    const before = this.#clusters.get(name);
    this.#staged.delete(staged);
    this.#clusters.set(name, staged);
    (before === undefined ? this.#stats.cluster_added : this.#stats.cluster_modified).inc();
    this.#stats.active_clusters.set(this.#clusters.size);
    if (before === undefined) return;
    this.#removeTaker(before);
    await inSlices(before.drain());
  }

  #addTaker(cluster: ActiveCluster): void {
    const { kind, assignment } = cluster.settings;
    if (kind !== 'eds') return;
    this.#takers.add(assignment.key, cluster);
  }

  #removeTaker(cluster: ActiveCluster): void {
    this.#takers.remove(cluster.settings.assignment.key, cluster);
  }

  /** Gives the endpoints there are to a cluster that is not in force yet: the newest, should others come meanwhile. */
  async #assignTo(runtime: ClusterRuntime): Promise<void> {
    const { key } = runtime.settings.assignment;
    for (;;) {
      const assigned = this.#assignments.get(key);
      await inSlices(runtime.replaceEndpoints(assigned?.read() ?? noEndpoints));
      if (assigned === this.#assignments.get(key)) return;
    }
  }

  *prepareRoutes(routes: RouteConfiguration): Steps<Parsed<LocalPrepared>> {
    const compiled = yield* compileRouteSteps(routes, { filters: this.#deps.filters, deps: this.#deps });
    if (!compiled.ok) return compiled;
    const { value: table, problems } = compiled;
    const install = async (): Promise<void> => {
      const before = this.#routes.get(table.name);
      const metrics = new HeldMetrics(this.#deps.scopes);
      for (const one of table.figures) one.open(metrics);
      this.#routes.set(table.name, { table, metrics });
      before?.metrics.release();
    };
    const prepared: LocalPrepared = {
      name: table.name,
      dependencies: {
        ...{ routes: [], endpoints: [], secrets: [], extensions: [] },
        virtualHosts: table.virtualHosts,
      },
      install,
      stage: async () => ({ commit: install, abandon: () => {} }),
    };
    return { ok: true, value: prepared, problems };
  }

  *prepareListener(listener: Listener): Steps<Parsed<PreparedListener>> {
    const findings = new Findings();
    // Where reading it decodes the tables again, it compiles them too.
    for (const { routes } of inlineRoutes(listener, isUnpacked))
      yield* compileRoutesBefore(routes, { filters: this.#deps.filters, deps: this.#deps });
    const settings = readListener(listener, this.#deps, findings);
    /** Or will be at once. */
    let isInForce = false;
    const abandon = (): void => {
      if (isInForce) return;
      for (const { metrics } of chainsOf(settings)) metrics.release();
    };
    if (findings.failed) abandon();
    const stage = async (ports: readonly number[] = []): Promise<StagedListener> => {
      const staged = await this.#listeners.stage(settings, ports);
      return {
        addresses: staged.addresses,
        commit() {
          isInForce = true;
          return staged.commit();
        },
        abandon() {
          staged.abandon();
          abandon();
        },
      };
    };
    return findings.result<PreparedListener>({
      name: settings.name,
      dependencies: {
        routes: settings.routes,
        endpoints: [],
        secrets: settings.secrets,
        extensions: settings.extensions,
      },
      stage,
      install: async () => {
        isInForce = true;
        try {
          await (await stage()).commit();
        } catch (error) {
          isInForce = false;
          throw error;
        }
      },
      abandon,
    });
  }

  *setEndpoints(assignment: ClusterLoadAssignment, text?: HeldText): Steps<readonly Problem[]> {
    const { clusterName } = assignment;
    const findings = new Findings();
    const assigned = yield* readAssignment(assignment, '', findings);
    if (findings.failed) return findings.problems;
    const kept = new KeptAssignment(assigned, text);
    this.#assignments.set(clusterName, kept);
    for (const cluster of this.#takers.of(clusterName)) {
      yield* cluster.replaceEndpoints({ assigned, kept });
      if (this.#clusters.get(cluster.settings.name) === cluster) this.#stats.cluster_updated.inc();
    }
    return findings.problems;
  }

  forgetEndpoints(name: string): void {
    this.#assignments.delete(name);
  }

  answerHosts(routes: string, hosts: readonly string[]): void {
    const table = this.#routes.get(routes)?.table;
    this.#deps.hostDemand.answer(
      routes,
      hosts,
      (authority) => table?.findHost(hostAlone(authority)) !== undefined,
    );
  }

  setExtension(key: string, config: Any | undefined): void {
    this.#deps.extensions.set(key, config);
  }

  forgetExtension(key: string): void {
    this.#deps.extensions.forget(key);
  }

  *removeCluster(name: string): Steps<void> {
    const cluster = this.#clusters.get(name);
    if (cluster === undefined) return;
    this.#clusters.delete(name);
    this.#removeTaker(cluster);
    this.#stats.cluster_removed.inc();
    this.#stats.active_clusters.set(this.#clusters.size);
    this.#deps.metrics.removeScope(cluster.scopePath);
    yield* cluster.drain();
  }

  removeListener(name: string): Promise<void> {
    return this.#listeners.remove(name);
  }

  removeRoutes(name: string): void {
    this.#routes.get(name)?.metrics.release();
    this.#routes.delete(name);
  }

  stopListeners(stop: ListenerStop): Promise<void> {
    return this.#listeners.stop(stop);
  }

  openSockets(): readonly OpenSocket[] {
    return this.#listeners.openSockets();
  }

  leavePaths(): void {
    this.#listeners.leavePaths();
  }

  drain(drainTimeMs: number): Promise<void> {
    return this.#listeners.drain(drainTimeMs);
  }

  setUnhealthy(unhealthy: boolean): void {
    this.#deps.health.failed = unhealthy;
    this.#listeners.setUnhealthy(unhealthy);
  }

  async close(): Promise<void> {
    this.#deps.secrets.off('change', this.#onSecret);
    this.#listeners.close();
    for (const cluster of this.#clusters.values()) cluster.close();
    this.#clusters.clear();
    this.#deps.hostCaches.close();
  }

  listeners(): readonly ListenerStatus[] {
    return this.#listeners.status();
  }

  *clusters(): Generator<ClusterStatus, void, undefined> {
    for (const cluster of this.#clusters.values()) yield cluster.status();
  }

  hearThreads(cluster: string, event: HostEvent): void {
    for (const { settings, awake } of [...this.#clusters.values(), ...this.#staged]) {
      if (settings.name === cluster) awake?.hearThreads(event);
    }
  }

  #onException(error: unknown): void {
    this.#exceptions.inc();
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#deps.log.error('proxy.exception', { stack });
  }
}

/** One for all clusters. */
const nothing: readonly [] = [];

const hostAlone = (authority: string): Parameters<RouteTable['findHost']>[0] => ({
  authority,
  requestHeaders: [],
});

/** An address of a static cluster is not looked up. */
function* refuseNames(assigned: Assignment['endpoints'], findings: Findings): Steps<void> {
  for (const [i, { target }] of assigned.entries()) {
    if (target.kind === 'tcp' && !/^[\d.]+$|:/.test(target.host)) {
      findings.error(
        'load_assignment',
        `endpoint ${i}: "${target.host}" is a name; only clusters of type STRICT_DNS or LOGICAL_DNS have those`,
      );
    }
    yield;
  }
}
