/**
 * The data path as configuration sees it: resources are read and compiled when they are prepared,
 * and put in the place of their predecessors when they are installed.
 */
import { type Duplex, duplexPair } from 'node:stream';
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
import type { Target } from './cluster/endpoint.ts';
import { readCluster } from './cluster/settings.ts';
import type {
  ClusterStatus,
  ListenerStatus,
  LocalDataPath,
  Prepared,
  PreparedListener,
  StagedListener,
} from './contract.ts';
import type { DataPathDeps } from './data-path-deps.ts';
import { DnsCache } from './dns/cache.ts';
import { DnsFollower } from './dns/follow.ts';
import { Findings } from './findings.ts';
import { type ListenerDeps, ListenerRuntime } from './listen/listener.ts';
import { type ListenerSettings, readListener } from './listen/settings.ts';
import { type ListeningSocket, SocketTable } from './listen/socket-table.ts';
import { compileRoutes, type RouteTable } from './route/table.ts';

/** How long a replaced or removed listener lets its connections go on (Envoy, `--drain-time-s`). */
const REPLACED_DRAIN_MS = 600_000;
/** Connections on which nothing happens are closed this long after a drain began. */
const IDLE_GRACE_MS = 1000;

export type { DataPathDeps } from './data-path-deps.ts';

export function createDataPath(deps: DataPathDeps): LocalDataPath {
  return new ProxyDataPath(deps);
}

interface ActiveListener {
  readonly runtime: ListenerRuntime;
  readonly sockets: readonly ListeningSocket[];
}

interface ActiveCluster {
  readonly runtime: ClusterRuntime;
  readonly follower: DnsFollower | undefined;
}

class ProxyDataPath implements LocalDataPath {
  readonly #deps: ListenerDeps;
  readonly #clusters = new Map<string, ActiveCluster>();
  readonly #assignments = new Map<string, readonly AssignedEndpoint[]>();
  readonly #routes = new Map<string, RouteTable>();
  readonly #listeners = new Map<string, ActiveListener>();
  readonly #draining = new Set<ActiveListener>();
  readonly #sockets: SocketTable;
  readonly #exceptions: Counter;
  #connectionId: number;

  constructor(deps: DataPathDeps) {
    const { index, count } = deps.thread ?? { index: 0, count: 1 };
    // Each thread has every count-th number.
    this.#connectionId = index + 1 - count;
    this.#sockets = new SocketTable(count > 1);
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
      internal: { connect: (name) => this.#connectInternal(name) },
      routes: (name) => this.#routes.get(name),
      cluster: (name) => this.#clusters.get(name)?.runtime,
      nextConnectionId: () => (this.#connectionId += count),
      onException: (error) => this.#onException(error),
    };
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
      stage: (ports = []) => this.#stage(settings, ports),
      install: async () => (await this.#stage(settings, [])).commit(),
    });
  }

  async #stage(settings: ListenerSettings, ports: readonly number[]): Promise<StagedListener> {
    const runtime = new ListenerRuntime(settings, this.#deps);
    const before = this.#listeners.get(settings.name);
    const opened: ListeningSocket[] = [];
    const sockets: ListeningSocket[] = [];
    const addresses: string[] = [];
    const abandon = (): void => {
      for (const socket of opened) socket.close();
      runtime.close();
    };
    try {
      for (const [i, asked] of settings.addresses.entries()) {
        const target = withPort(asked, ports[i]);
        // Of a path in the file system there is one socket.
        if (target.kind === 'pipe' && (this.#deps.thread?.index ?? 0) > 0) {
          addresses.push('');
          continue;
        }
        const known = before?.sockets.find((socket) => this.#sockets.get(target) === socket);
        const socket =
          known ?? (await this.#sockets.listen(target, settings.backlog, (raw) => runtime.accept(raw)));
        if (known === undefined) opened.push(socket);
        sockets.push(socket);
        addresses.push(socket.address);
      }
    } catch (error) {
      abandon();
      throw error;
    }
    return { addresses, commit: () => this.#commit(settings.name, { runtime, sockets }), abandon };
  }

  #commit(name: string, listener: ActiveListener): void {
    const before = this.#listeners.get(name);
    const { runtime, sockets } = listener;
    for (const socket of sockets) socket.accept = (raw) => runtime.accept(raw);
    this.#listeners.set(name, listener);
    if (before === undefined) return;
    for (const socket of before.sockets) if (!sockets.includes(socket)) socket.close();
    void this.#drainOne(before, REPLACED_DRAIN_MS);
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

  async removeListener(name: string): Promise<void> {
    const listener = this.#listeners.get(name);
    if (listener === undefined) return;
    this.#listeners.delete(name);
    for (const socket of listener.sockets) socket.close();
    await this.#drainOne(listener, REPLACED_DRAIN_MS);
  }

  removeRoutes(name: string): void {
    this.#routes.delete(name);
  }

  async drain(drainTimeMs: number): Promise<void> {
    const all = [...this.#listeners.values()];
    for (const { sockets } of all) for (const socket of sockets) socket.close();
    await Promise.all(all.map((listener) => this.#drainOne(listener, drainTimeMs)));
  }

  async close(): Promise<void> {
    for (const { runtime, sockets } of [...this.#listeners.values(), ...this.#draining]) {
      for (const socket of sockets) socket.close();
      runtime.close();
    }
    for (const { runtime, follower } of this.#clusters.values()) {
      follower?.stop();
      runtime.close();
    }
    this.#listeners.clear();
    this.#draining.clear();
    this.#clusters.clear();
  }

  listeners(): readonly ListenerStatus[] {
    const of = (
      name: string,
      { runtime, sockets }: ActiveListener,
      state: ListenerStatus['state'],
    ): ListenerStatus => ({
      name,
      addresses: runtime.settings.isInternal ? [`envoy://${name}`] : sockets.map(({ address }) => address),
      state,
      activeConnections: runtime.activeConnections,
    });
    return [
      ...[...this.#listeners].map(([name, listener]) => of(name, listener, 'active')),
      ...[...this.#draining].map((listener) => of(listener.runtime.settings.name, listener, 'draining')),
    ];
  }

  clusters(): readonly ClusterStatus[] {
    return [...this.#clusters.values()].map(({ runtime }) => runtime.status());
  }

  #onException(error: unknown): void {
    this.#exceptions.inc();
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#deps.log.error('proxy.exception', { stack });
  }

  #connectInternal(name: string): Duplex | undefined {
    const listener = this.#listeners.get(name);
    if (listener === undefined || !listener.runtime.settings.isInternal) return undefined;
    const [near, far] = duplexPair();
    listener.runtime.accept(far);
    return near;
  }

  async #drainOne(listener: ActiveListener, drainTimeMs: number): Promise<void> {
    this.#draining.add(listener);
    const { clock } = this.#deps;
    const { runtime } = listener;
    const drained = runtime.drain();
    const endIdle = clock.after(Math.min(IDLE_GRACE_MS, drainTimeMs / 2), () => runtime.closeIdle());
    let endAll: () => void = () => {};
    const late = new Promise<void>((resolve) => {
      endAll = clock.after(drainTimeMs, resolve);
    });
    await Promise.race([drained, late]);
    endIdle();
    endAll();
    runtime.close();
    this.#draining.delete(listener);
    const { statAddress } = runtime.settings;
    const others = [...this.#listeners.values(), ...this.#draining];
    if (others.some((other) => other.runtime.settings.statAddress === statAddress)) return;
    this.#deps.metrics.removeScope(`listener.${statAddress}`);
  }
}

function withPort(target: Target, port: number | undefined): Target {
  return target.kind === 'tcp' && target.port === 0 && port !== undefined ? { ...target, port } : target;
}
