/**
 * From accepted resources to resources in force, in the order that fails no request: a cluster is
 * installed when its endpoints and secrets are there, a table of routes when no cluster is on its
 * way, a listener when its routes and secrets are there too (xDS protocol, "Resource warming").
 * What stays away is waited for at most the initial fetch timeout. Call `settle` after offers.
 */
import type { Message } from '@bufbuild/protobuf';
import type { Problem } from '#core/problem.ts';
import { type Steps, timeSlices } from '#core/time-slice.ts';
import type { Logger } from '#observe/log.ts';
import type { Cluster } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { ClusterLoadAssignment } from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import type { RouteConfiguration } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import { resourceTypes } from '#xds/resource-type.ts';
import type { DataPath, Dependencies, Prepared, SecretStore } from '../contract.ts';
import { type FileSecret, fileSecretsOf } from './file-secrets.ts';
import { ResourceTable } from './resource-table.ts';

export interface ConfigurationDeps {
  readonly dataPath: DataPath;
  readonly secrets: SecretStore;
  readonly log: Logger;
  /** How long a resource waits for what it depends on (Envoy's `initial_fetch_timeout`). */
  readonly initialFetchTimeoutMs: number;
  /** Counted: an accepted resource could not be put in force. */
  readonly installFailed: () => void;
}

/** Names that have to be asked for. */
export interface Interest {
  readonly routes: ReadonlySet<string>;
  readonly endpoints: ReadonlySet<string>;
  /** Names of secrets by the cluster that serves them; '' is the ADS stream. */
  readonly secrets: ReadonlyMap<string, ReadonlySet<string>>;
  /** Names of secrets by the path of the file that holds them. */
  readonly files: ReadonlyMap<string, ReadonlySet<string>>;
}

export interface Versioned<M extends Message> {
  readonly message: M;
  readonly version: string;
  readonly origin: 'static' | 'dynamic';
  /** The bytes of the message, where they are there: what is kept to be shown. */
  readonly encoded?: Uint8Array | undefined;
}

/** What a resource names, and where the secrets among it come from a file. */
interface Needs extends Dependencies {
  readonly files: readonly FileSecret[];
}

interface Waiting {
  readonly prepared: Prepared;
  readonly needs: Needs;
  /** A listener that hands its connections to others: before they are there they would go where they were made to. */
  readonly handsOver: boolean;
  /** Set when it has waited long enough. */
  late: boolean;
  /** Whether it gets ready by itself, and has. */
  warming: 'not-begun' | 'begun' | 'done';
  timer: NodeJS.Timeout | undefined;
}

type InstalledKind = 'cluster' | 'route' | 'listener';

/** A listener whose port is still held by another tries again after this. */
const INSTALL_RETRY_MS = 1000;

export class Configuration {
  readonly table: ResourceTable;
  readonly #deps: ConfigurationDeps;
  readonly #waiting: Record<InstalledKind, Map<string, Waiting>> = {
    cluster: new Map(),
    route: new Map(),
    listener: new Map(),
  };
  readonly #installed: Record<InstalledKind, Map<string, Needs>> = {
    cluster: new Map(),
    route: new Map(),
    listener: new Map(),
  };
  /** Names of the load assignments that came. */
  readonly #endpoints = new Set<string>();
  /** Names of the secrets that came from a server or a file, and are not this process's own. */
  readonly #secrets = new Set<string>();
  readonly #changed = new Set<() => void>();
  #holdListeners = false;
  #settling: Promise<void> | undefined;
  #settleAgain = false;
  #closed = false;

  constructor(deps: ConfigurationDeps) {
    this.#deps = deps;
    this.table = new ResourceTable(Date.now);
    deps.secrets.on('change', () => void this.settle());
  }

  /** Calls `listener` whenever something was accepted, installed or removed. */
  onChange(listener: () => void): void {
    this.#changed.add(listener);
  }

  /** While held, no listener is installed: before the first clusters are known. */
  holdListeners(held: boolean): void {
    this.#holdListeners = held;
    void this.settle();
  }

  *offerCluster(offer: Versioned<Cluster>): Steps<readonly Problem[]> {
    const parsed = yield* this.#deps.dataPath.prepareCluster(offer.message);
    if (parsed.ok) yield* this.#wait('cluster', parsed.value, offer);
    return parsed.problems;
  }

  *offerListener(offer: Versioned<Listener>): Steps<readonly Problem[]> {
    const parsed = yield* this.#deps.dataPath.prepareListener(offer.message);
    if (parsed.ok) yield* this.#wait('listener', parsed.value, offer);
    return parsed.problems;
  }

  *offerRoutes(offer: Versioned<RouteConfiguration>): Steps<readonly Problem[]> {
    const parsed = yield* this.#deps.dataPath.prepareRoutes(offer.message);
    if (parsed.ok) yield* this.#wait('route', parsed.value, offer);
    return parsed.problems;
  }

  *offerEndpoints(offer: Versioned<ClusterLoadAssignment>): Steps<readonly Problem[]> {
    const { message, version, origin, encoded } = offer;
    const problems = yield* this.#deps.dataPath.setEndpoints(message);
    if (problems.some(({ level }) => level === 'error')) return problems;
    this.#endpoints.add(message.clusterName);
    this.table.warm('endpoint', message.clusterName, version, encoded ?? message, origin);
    this.table.activate('endpoint', message.clusterName);
    return problems;
  }

  tookSecret(name: string): void {
    this.#secrets.add(name);
  }

  *removeCluster(name: string): Steps<void> {
    this.#forget('cluster', name);
    yield* this.#deps.dataPath.removeCluster(name);
  }

  /** Resolves when its connections have drained. */
  async removeListener(name: string): Promise<void> {
    this.#forget('listener', name);
    const drained = this.#deps.dataPath.removeListener(name);
    void this.settle();
    await drained;
  }

  /** Names of listeners and clusters that came by xDS: what a state of the world may remove. */
  dynamicNames(kind: 'cluster' | 'listener'): string[] {
    return this.table
      .entries(kind)
      .filter(({ origin, active, warming }) => origin === 'dynamic' && (active ?? warming) !== undefined)
      .map(({ name }) => name);
  }

  interest(): Interest {
    const routes = new Set<string>();
    const endpoints = new Set<string>();
    const secrets = new Map<string, Set<string>>();
    const files = new Map<string, Set<string>>();
    for (const needs of this.#allNeeds()) {
      for (const name of needs.routes) routes.add(name);
      for (const name of needs.endpoints) endpoints.add(name);
      for (const { path, name } of needs.files) files.set(path, (files.get(path) ?? new Set()).add(name));
      for (const { name, sdsCluster } of needs.secrets) {
        if (needs.files.some((file) => file.name === name)) continue;
        const ofCluster = secrets.get(sdsCluster) ?? new Set();
        secrets.set(sdsCluster, ofCluster.add(name));
      }
    }
    return { routes, endpoints, secrets, files };
  }

  /** Lets go of routes, endpoints and secrets nobody asks for any more; call it when that is told the server. */
  dropAllBut({ routes, endpoints, secrets, files }: Interest): void {
    for (const { name, origin } of this.table.entries('route')) {
      if (origin === 'static' || routes.has(name)) continue;
      this.#forget('route', name);
      this.#deps.dataPath.removeRoutes(name);
    }
    for (const name of [...this.#endpoints]) {
      if (endpoints.has(name)) continue;
      this.#endpoints.delete(name);
      this.#deps.dataPath.forgetEndpoints(name);
      this.table.remove('endpoint', name);
    }
    const named = [...secrets.values(), ...files.values()];
    for (const name of [...this.#secrets]) {
      if (named.some((names) => names.has(name))) continue;
      this.#secrets.delete(name);
      // Else what names it later would serve with what may be out of date.
      this.#deps.secrets.delete(name);
      this.table.remove('secret', name);
    }
  }

  /** What is accepted and not in force, such as `listener 0.0.0.0_8080`. */
  warming(): string[] {
    return (['cluster', 'route', 'listener'] as const).flatMap((kind) =>
      [...this.#waiting[kind].keys()].map((name) => `${kind} ${name}`),
    );
  }

  isInstalled(kind: InstalledKind, name: string): boolean {
    return this.#installed[kind].has(name);
  }

  /** Installs whatever can be installed now; resolves when nothing more can. */
  settle(): Promise<void> {
    this.#settleAgain = true;
    this.#settling ??= this.#settleAll().finally(() => {
      this.#settling = undefined;
      // Asked for between the end of the loop and here.
      if (this.#settleAgain && !this.#closed) void this.settle();
    });
    return this.#settling;
  }

  close(): void {
    this.#closed = true;
    for (const kind of ['cluster', 'route', 'listener'] as const) {
      for (const { timer } of this.#waiting[kind].values()) clearTimeout(timer);
      this.#waiting[kind].clear();
    }
  }

  *#wait(kind: InstalledKind, prepared: Prepared, offer: Versioned<Message>): Steps<void> {
    const { name } = prepared;
    const files = kind === 'route' ? [] : yield* fileSecretsOf(resourceTypes[kind].schema, offer.message);
    this.#dismiss(kind, name);
    const needs: Needs = { ...prepared.dependencies, files };
    const handsOver = kind === 'listener' && (offer.message as Listener).useOriginalDst === true;
    const warming = prepared.warm === undefined ? 'done' : 'not-begun';
    const waiting: Waiting = { prepared, needs, handsOver, late: false, warming, timer: undefined };
    const { initialFetchTimeoutMs, log } = this.#deps;
    // 0: however long it takes.
    if (initialFetchTimeoutMs > 0) {
      waiting.timer = setTimeout(() => {
        waiting.late = true;
        log.warn('apply.waited-in-vain', { kind, name, missing: this.#missing(prepared.dependencies) });
        void this.settle();
      }, initialFetchTimeoutMs).unref();
    }
    this.#waiting[kind].set(name, waiting);
    this.table.warm(kind, name, offer.version, offer.encoded ?? offer.message, offer.origin);
    this.#announce();
  }

  async #settleAll(): Promise<void> {
    while (this.#settleAgain && !this.#closed) {
      this.#settleAgain = false;
      await this.#installReady('cluster', () => true);
      await this.#installReady('route', () => this.#clustersSettled());
      await this.#installReady('listener', (one) => this.#mayListen(one));
    }
    this.#announce();
  }

  #mayListen({ handsOver }: Waiting): boolean {
    if (!this.#clustersSettled() || this.#holdListeners) return false;
    return !handsOver || [...this.#waiting.listener.values()].every((other) => other.handsOver);
  }

  #clustersSettled(): boolean {
    return this.#waiting.cluster.size === 0;
  }

  async #installReady(kind: InstalledKind, may: (waiting: Waiting) => boolean): Promise<void> {
    const breathe = timeSlices();
    for (const [name, waiting] of [...this.#waiting[kind]]) {
      const pause = breathe();
      if (pause !== undefined) await pause;
      const isReady = waiting.late || (may(waiting) && this.#isComplete(waiting.prepared.dependencies));
      if (!isReady || this.#closed || this.#waiting[kind].get(name) !== waiting) continue;
      if (waiting.warming !== 'done') {
        if (waiting.warming === 'not-begun') this.#warm(kind, name, waiting);
        continue;
      }
      await this.#install(kind, name, waiting);
    }
  }

  /** Others are installed meanwhile. */
  #warm(kind: InstalledKind, name: string, waiting: Waiting): void {
    waiting.warming = 'begun';
    clearTimeout(waiting.timer);
    const ready = (): void => {
      waiting.warming = 'done';
      waiting.late = true;
      void this.settle();
    };
    // What went wrong is found again when it is installed.
    waiting.prepared.warm!().then(ready, (error: unknown) => {
      this.#deps.log.warn('apply.not-warm', { kind, name, error });
      ready();
    });
  }

  /** A version that waits is not installed any more. */
  #dismiss(kind: InstalledKind, name: string): void {
    const waiting = this.#waiting[kind].get(name);
    clearTimeout(waiting?.timer);
    waiting?.prepared.abandon?.();
  }

  async #install(kind: InstalledKind, name: string, waiting: Waiting): Promise<void> {
    clearTimeout(waiting.timer);
    try {
      await waiting.prepared.install();
    } catch (error) {
      this.#installFailed(kind, name, waiting, error);
      return;
    }
    // A newer version may have come meanwhile: it stays in the waiting room.
    if (this.#waiting[kind].get(name) === waiting) {
      this.#waiting[kind].delete(name);
      this.table.activate(kind, name);
    }
    this.#installed[kind].set(name, waiting.needs);
    this.#settleAgain = true;
    this.#deps.log.info('apply.installed', { kind, name });
  }

  #installFailed(kind: InstalledKind, name: string, waiting: Waiting, error: unknown): void {
    this.#deps.installFailed();
    this.#deps.log.error('apply.not-installed', { kind, name, error });
    const entry = this.table.get(kind, name)?.warming;
    this.table.refuse(kind, name, entry?.version ?? '', entry?.held, String((error as Error).message));
    if (this.#waiting[kind].get(name) !== waiting) return;
    // Out of the room, so that what depends on it is not held up; back when it may work.
    this.#waiting[kind].delete(name);
    const timer = setTimeout(() => {
      const superseded = this.#waiting[kind].has(name) || this.table.get(kind, name)?.warming !== entry;
      if (this.#closed || superseded) return;
      this.#waiting[kind].set(name, { ...waiting, late: true });
      void this.settle();
    }, INSTALL_RETRY_MS);
    timer.unref();
  }

  #isComplete({ routes, endpoints, secrets }: Dependencies): boolean {
    return (
      routes.every((name) => this.#installed.route.has(name)) &&
      endpoints.every((name) => this.#endpoints.has(name)) &&
      secrets.every(({ name }) => this.#deps.secrets.get(name) !== undefined)
    );
  }

  /** What `dependencies` still lacks. */
  #missing({ routes, endpoints, secrets }: Dependencies): string[] {
    return [
      ...routes.filter((name) => !this.#installed.route.has(name)).map((name) => `routes ${name}`),
      ...endpoints.filter((name) => !this.#endpoints.has(name)).map((name) => `endpoints ${name}`),
      ...secrets
        .filter(({ name }) => this.#deps.secrets.get(name) === undefined)
        .map(({ name }) => `secret ${name}`),
    ];
  }

  #forget(kind: InstalledKind, name: string): void {
    this.#dismiss(kind, name);
    this.#waiting[kind].delete(name);
    this.#installed[kind].delete(name);
    this.table.remove(kind, name);
    this.#announce();
  }

  *#allNeeds(): Generator<Needs> {
    for (const kind of ['cluster', 'route', 'listener'] as const) {
      yield* this.#installed[kind].values();
      for (const { needs } of this.#waiting[kind].values()) yield needs;
    }
  }

  #announce(): void {
    for (const listener of this.#changed) listener();
  }
}
