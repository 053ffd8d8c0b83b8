/**
 * The data path as configuration sees it: resources are read and compiled when they are prepared,
 * and put in the place of their predecessors when they are installed.
 */
import type { Parsed, Problem } from '#core/problem.ts';
import { TimerWheel } from '#core/timer-wheel.ts';
import { FlushQueue } from '#http/codec/h2/flush-queue.ts';
import type { Counter } from '#observe/metrics-contract.ts';
import type { Cluster } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { ClusterLoadAssignment } from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import type { RouteConfiguration } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import { type AssignedEndpoint, readAssignment } from './cluster/assignment.ts';
import { ClusterRuntime } from './cluster/cluster.ts';
import { readCluster } from './cluster/settings.ts';
import type { ClusterStatus, ListenerStatus, LocalDataPath, Prepared, PreparedListener } from './contract.ts';
import type { DataPathDeps } from './data-path-deps.ts';
import { DnsCache } from './dns/cache.ts';
import { DnsFollower } from './dns/follow.ts';
import { Findings } from './findings.ts';
import type { ListenerDeps } from './listen/listener.ts';
import { ListenerTable } from './listen/listener-table.ts';
import { readListener } from './listen/settings.ts';
import { compileRoutes, type RouteTable } from './route/table.ts';

export type { DataPathDeps } from './data-path-deps.ts';

export function createDataPath(deps: DataPathDeps): LocalDataPath {
  return new ProxyDataPath(deps);
}

interface ActiveCluster {
  readonly runtime: ClusterRuntime;
  readonly follower: DnsFollower | undefined;
}

class ProxyDataPath implements LocalDataPath {
  readonly #deps: Omit<ListenerDeps, 'listenerAt'>;
  readonly #clusters = new Map<string, ActiveCluster>();
  readonly #assignments = new Map<string, readonly AssignedEndpoint[]>();
  readonly #routes = new Map<string, RouteTable>();
  readonly #listeners: ListenerTable;
  readonly #exceptions: Counter;
  #connectionId: number;

  constructor(deps: DataPathDeps) {
    const { index, count } = deps.thread ?? { index: 0, count: 1 };
    // Each thread has every count-th number.
    this.#connectionId = index + 1 - count;
    this.#exceptions = deps.metrics
      .scope({ path: 'server', family: 'server', labels: {} })
      .counter('request_exceptions');
    const dns = new DnsCache((host) => deps.resolve(host, 0), deps.clock);
    const wheel = new TimerWheel(deps.clock);
    this.#deps = {
      ...deps,
      wheel,
      h2: { flushes: new FlushQueue(setImmediate), wheel, clock: deps.clock, random: deps.random },
      dns,
      // Filters and clusters see the same answers.
      resolve: (host, family) => (family === 0 ? dns.resolve(host) : deps.resolve(host, family)),
      internal: { connect: (name) => this.#listeners.connectInternal(name) },
      routes: (name) => this.#routes.get(name),
      cluster: (name) => this.#clusters.get(name)?.runtime,
      nextConnectionId: () => (this.#connectionId += count),
      onException: (error) => this.#onException(error),
    };
    this.#listeners = new ListenerTable(this.#deps);
  }

  prepareCluster(cluster: Cluster): Parsed<Prepared> {
    const findings = new Findings();
    const settings = readCluster(cluster, this.#deps, findings);
    const own = settings.loadAssignment;
    const assigned = own === undefined ? [] : readAssignment(own, 'load_assignment.', findings);
    const isDns = settings.kind === 'strict-dns' || settings.kind === 'logical-dns';
    if (settings.kind === 'static') {
      assigned.forEach(({ target }, i) => {
        if (target.kind === 'tcp' && !/^[\d.]+$|:/.test(target.host)) {
          findings.error(
            'load_assignment',
            `endpoint ${i}: "${target.host}" is a name; only clusters of type STRICT_DNS or LOGICAL_DNS have those`,
          );
        }
      });
    }
    return findings.result<Prepared>({
      name: settings.name,
      dependencies: {
        routes: [],
        endpoints: settings.kind === 'eds' ? [settings.serviceName] : [],
        secrets: settings.secrets,
      },
      install: async () => {
        const runtime = new ClusterRuntime(settings, this.#deps);
        const follower = isDns ? new DnsFollower(runtime, assigned, this.#deps) : undefined;
        if (settings.kind === 'eds') runtime.setEndpoints(this.#assignments.get(settings.serviceName) ?? []);
        else if (follower === undefined) runtime.setEndpoints(assigned);
        else await follower.refresh();
        const before = this.#clusters.get(settings.name);
        this.#clusters.set(settings.name, { runtime, follower });
        before?.follower?.stop();
        before?.runtime.drain();
      },
    });
  }

  prepareRoutes(routes: RouteConfiguration): Parsed<Prepared> {
    const compiled = compileRoutes(routes);
    if (!compiled.ok) return compiled;
    const { value: table, problems } = compiled;
    const prepared: Prepared = {
      name: table.name,
      dependencies: { routes: [], endpoints: [], secrets: [] },
      install: async () => {
        this.#routes.set(table.name, table);
      },
    };
    return { ok: true, value: prepared, problems };
  }

  prepareListener(listener: Listener): Parsed<PreparedListener> {
    const findings = new Findings();
    const settings = readListener(listener, this.#deps, findings);
    return findings.result<PreparedListener>({
      name: settings.name,
      dependencies: { routes: settings.routes, endpoints: [], secrets: settings.secrets },
      stage: (ports = []) => this.#listeners.stage(settings, ports),
      install: async () => (await this.#listeners.stage(settings, [])).commit(),
    });
  }

  setEndpoints(assignment: ClusterLoadAssignment): readonly Problem[] {
    const findings = new Findings();
    const assigned = readAssignment(assignment, '', findings);
    if (findings.failed) return findings.problems;
    this.#assignments.set(assignment.clusterName, assigned);
    for (const { runtime } of this.#clusters.values()) {
      const { kind, serviceName } = runtime.settings;
      if (kind === 'eds' && serviceName === assignment.clusterName) runtime.setEndpoints(assigned);
    }
    return findings.problems;
  }

  removeCluster(name: string): void {
    const cluster = this.#clusters.get(name);
    if (cluster === undefined) return;
    this.#clusters.delete(name);
    cluster.follower?.stop();
    cluster.runtime.drain();
    this.#deps.metrics.removeScope(cluster.runtime.stats.scope.path);
  }

  removeListener(name: string): Promise<void> {
    return this.#listeners.remove(name);
  }

  removeRoutes(name: string): void {
    this.#routes.delete(name);
  }

  drain(drainTimeMs: number): Promise<void> {
    return this.#listeners.drain(drainTimeMs);
  }

  setUnhealthy(unhealthy: boolean): void {
    this.#listeners.setUnhealthy(unhealthy);
  }

  async close(): Promise<void> {
    this.#listeners.close();
    for (const { runtime, follower } of this.#clusters.values()) {
      follower?.stop();
      runtime.close();
    }
    this.#clusters.clear();
  }

  listeners(): readonly ListenerStatus[] {
    return this.#listeners.status();
  }

  clusters(): readonly ClusterStatus[] {
    return [...this.#clusters.values()].map(({ runtime }) => runtime.status());
  }

  #onException(error: unknown): void {
    this.#exceptions.inc();
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#deps.log.error('proxy.exception', { stack });
  }
}
