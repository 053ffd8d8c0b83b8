/**
 * From accepted resources to resources in force, in the order that fails no request: a cluster is
 * installed when its endpoints and secrets are there, a table of routes when no cluster is on its
 * way, a listener when its routes and secrets are there too (xDS protocol, "Resource warming").
 * What stays away is waited for at most the initial fetch timeout. Call `settle` after offers.
 */
import type { Message } from '@bufbuild/protobuf';
import type { Parsed, Problem } from '#core/problem.ts';
import type { Steps } from '#core/time-slice.ts';
import type { Logger } from '#observe/log.ts';
import type { Cluster } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { TypedExtensionConfig } from '#xds/gen/envoy/config/core/v3/extension_pb.js';
import type { ClusterLoadAssignment } from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import type { RouteConfiguration } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import type {
  DataPath,
  Dependencies,
  FilterKind,
  Prepared,
  SecretStore,
  WantedExtension,
} from '../contract.ts';
import { heldText } from '../held-text.ts';
import { textOfKey, type Wanted } from '../resource-source.ts';
import { allOf, refuseSources, type SourceRules } from './dependencies.ts';
import { type CountExtension, Extensions, kindsOf } from './extensions.ts';
import { type Interest, type NamedKind, namedKinds, noInterest } from './interest.ts';
import { heldOf, ResourceTable } from './resource-table.ts';
import { Askers, type Counted, type UpdateCounts } from './update-counts.ts';
import { type HostCounts, type HostsUpdate, VirtualHosts } from './virtual-hosts.ts';
import { type InstalledKind, WaitingRoom } from './waiting-room.ts';

export interface ConfigurationDeps extends SourceRules {
  readonly dataPath: DataPath;
  readonly secrets: SecretStore;
  readonly log: Logger;
  /** How long a resource waits for what it depends on (Envoy's `initial_fetch_timeout`). */
  readonly initialFetchTimeoutMs: number;
  /** Counted: an accepted resource could not be put in force. */
  readonly installFailed: () => void;
  readonly countExtension?: CountExtension;
  readonly hostCounts?: HostCounts;
  readonly updateCounts?: UpdateCounts;
  /** Layers of the runtime that come from servers and files. */
  readonly runtimeLayers?: readonly Wanted[];
}

export interface Versioned<M extends Message> {
  readonly message: M;
  readonly version: string;
  readonly origin: 'static' | 'dynamic';
  /** The bytes of the message, where they are there: what is kept to be shown. */
  readonly encoded?: Uint8Array | undefined;
  /** What it is called in here, where that is not its name. */
  readonly key?: string | undefined;
}

export class Configuration {
  readonly table: ResourceTable;
  readonly #deps: ConfigurationDeps;
  readonly #room: WaitingRoom;
  /** Names of the load assignments that came. */
  readonly #endpoints = new Set<string>();
  /** Keys of the secrets that came from a server or a file, and are not this process's own. */
  readonly #secrets = new Set<string>();
  readonly #extensions: Extensions;
  readonly #askers: Askers;
  /** Those that come one by one. */
  readonly hosts: VirtualHosts;
  /** Keys of what a server said that it cannot give. */
  readonly #unavailable: Readonly<Record<NamedKind, Set<string>>> = {
    route: new Set(),
    virtualHost: new Set(),
    endpoint: new Set(),
    extension: new Set(),
    secret: new Set(),
    runtime: new Set(),
  };
  readonly #changed = new Set<() => void>();

  constructor(deps: ConfigurationDeps) {
    this.#deps = deps;
    this.table = new ResourceTable(Date.now);
    this.#extensions = new Extensions({ ...deps, table: this.table });
    this.hosts = new VirtualHosts(deps.hostCounts);
    this.#askers = new Askers(deps.updateCounts);
    this.#room = new WaitingRoom({
      ...{ log: deps.log, table: this.table, hosts: this.hosts, installFailed: deps.installFailed },
      isComplete: (dependencies) => this.#isComplete(dependencies),
      patienceMs: (dependencies) => this.#patienceMs(dependencies),
      giveUpOn: (dependencies) => {
        this.#extensions.noteMissing(dependencies.extensions);
        return this.#missing(dependencies);
      },
      onInstalled: (kind, name) => this.#tellWaiting(kind, name),
      announce: () => this.#announce(),
    });
    deps.secrets.on('change', () => void this.settle());
  }

  /** Calls `listener` whenever something was accepted, installed or removed. */
  onChange(listener: () => void): void {
    this.#changed.add(listener);
  }

  /** See {@link WaitingRoom.holdListeners}. */
  holdListeners(held: boolean): void {
    this.#room.holdListeners(held);
  }

  *offerCluster(offer: Versioned<Cluster>): Steps<readonly Problem[]> {
    const { message, encoded } = offer;
    const text = encoded && heldText(encoded);
    return this.#take('cluster', yield* this.#deps.dataPath.prepareCluster(message, text), offer);
  }

  *offerListener(offer: Versioned<Listener>): Steps<readonly Problem[]> {
    return this.#take('listener', yield* this.#deps.dataPath.prepareListener(offer.message), offer);
  }

  *offerRoutes(offer: Versioned<RouteConfiguration>): Steps<readonly Problem[]> {
    const { message, key = message.name } = offer;
    this.#unavailable.route.delete(key);
    const routes = this.hosts.join(key, message);
    const parsed = yield* this.#deps.dataPath.prepareRoutes(namedAs(key, routes));
    const problems = this.#take(
      'route',
      parsed,
      routes === message ? offer : { ...offer, ...asMessage(routes) },
    );
    if (!parsed.ok || problems.some(({ level }) => level === 'error')) return problems;
    const inForce = this.#room.isInstalled('route', key);
    const countedBy = this.#askers.ofRoutes(key);
    this.hosts.accept(key, message, parsed.value.dependencies.virtualHosts, { inForce, countedBy });
    return problems;
  }

  /** Virtual hosts of routes that are accepted already. */
  *offerHosts(key: string, update: HostsUpdate): Steps<readonly Problem[]> {
    const next = this.hosts.offer(key, update);
    if (next === undefined) return [];
    const parsed = yield* this.#deps.dataPath.prepareRoutes(namedAs(key, next.routes));
    if (!parsed.ok) return this.hosts.blame(key, parsed.problems, next);
    this.hosts.adopt(key, update, next);
    this.#room.wait('route', parsed.value, {
      ...asMessage(next.routes),
      version: update.version,
      origin: 'dynamic',
    });
    return this.hosts.blame(key, parsed.problems, next);
  }

  /** A request waits for a virtual host. */
  demandHost(key: string, host: string): void {
    if (this.hosts.demand(key, host)) this.#announce();
    else this.#deps.dataPath.answerHosts(key, [host]);
  }

  *offerEndpoints(offer: Versioned<ClusterLoadAssignment>): Steps<readonly Problem[]> {
    const { message, version, origin, encoded, key = message.clusterName } = offer;
    const named = key === message.clusterName ? message : { ...message, clusterName: key };
    const problems = yield* this.#deps.dataPath.setEndpoints(named, encoded && heldText(encoded));
    if (problems.some(({ level }) => level === 'error')) return problems;
    this.#unavailable.endpoint.delete(key);
    this.#endpoints.add(key);
    this.table.warm('endpoint', key, version, heldOf(offer), origin);
    this.table.activate('endpoint', key);
    return problems;
  }

  *offerExtension(offer: Versioned<TypedExtensionConfig>): Steps<readonly Problem[]> {
    const { key = offer.message.name } = offer;
    const problems = this.#extensions.offer(
      offer,
      this.#wantedExtensions((one) => one.key === key),
    );
    yield;
    if (this.#extensions.has(key)) this.#unavailable.extension.delete(key);
    return problems;
  }

  removeExtension(key: string): void {
    this.#extensions.remove(
      key,
      this.#wantedExtensions((one) => one.key === key),
    );
    this.giveUp('extension', key);
  }

  /** Of the filters that have their configuration by that name, or that key. */
  filterKinds(name: string): ReadonlySet<FilterKind> {
    return kindsOf(this.#wantedExtensions((one) => one.name === name || one.key === name));
  }

  tookSecret(key: string): void {
    this.#secrets.add(key);
  }

  /** It will not come: nothing waits for it any more. */
  giveUp(kind: NamedKind, key: string): void {
    this.#unavailable[kind].add(key);
  }

  *removeCluster(name: string): Steps<void> {
    const needs = this.#room.needsOf('cluster', name);
    this.#forget('cluster', name);
    this.#askers.forgetCluster(name, needs);
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
    const interest = noInterest();
    for (const wanted of this.#deps.runtimeLayers ?? []) interest.runtime.add(wanted);
    for (const needs of this.#room.needs()) {
      for (const wanted of needs.routes) interest.route.add(wanted);
      for (const wanted of needs.endpoints) interest.endpoint.add(wanted);
      for (const wanted of needs.extensions) interest.extension.add(wanted);
      for (const wanted of needs.secrets) interest.secret.add(wanted);
      if (needs.virtualHosts !== undefined) this.hosts.addTo(interest.virtualHost, needs.virtualHosts);
    }
    return interest;
  }

  /** Who counts updates of what is called that in here. */
  askers(kind: 'endpoint' | 'route', key: string): readonly Counted[] {
    return this.#askers.of(kind, key, (cluster) => this.#room.needsOf('cluster', cluster));
  }

  /** Lets go of routes, endpoints, configurations of filters and secrets nobody asks for any more; call it when that is told the server. */
  dropAllBut(interest: Interest): void {
    const { route, endpoint, extension, secret } = interest;
    for (const { name, origin } of this.table.entries('route')) {
      if (origin === 'static' || route.keys.has(name)) continue;
      this.#forget('route', name);
      this.hosts.forget(name);
      this.#deps.dataPath.removeRoutes(name);
    }
    for (const name of [...this.#endpoints]) {
      if (endpoint.keys.has(name)) continue;
      this.#endpoints.delete(name);
      this.#deps.dataPath.forgetEndpoints(name);
      this.table.remove('endpoint', name);
    }
    this.#askers.keepOnly(interest);
    this.#extensions.keepOnly(extension.keys);
    for (const name of [...this.#secrets]) {
      if (secret.keys.has(name)) continue;
      this.#secrets.delete(name);
      // Else what names it later would serve with what may be out of date.
      this.#deps.secrets.delete(name);
      this.table.remove('secret', name);
    }
    for (const kind of namedKinds) {
      for (const key of this.#unavailable[kind]) {
        if (!interest[kind].keys.has(key)) this.#unavailable[kind].delete(key);
      }
    }
  }

  /** See {@link WaitingRoom.warming}. */
  warming(): string[] {
    return this.#room.warming();
  }

  isInstalled(kind: InstalledKind, name: string): boolean {
    return this.#room.isInstalled(kind, name);
  }

  /** Installs whatever can be installed now; resolves when nothing more can. */
  settle(): Promise<void> {
    return this.#room.settle();
  }

  close(): void {
    this.#room.close();
  }

  /** Requests wait for the virtual hosts of routes. */
  #tellWaiting(kind: InstalledKind, name: string): void {
    const answered = kind === 'route' ? this.hosts.takeNews(name) : [];
    if (answered.length > 0) this.#deps.dataPath.answerHosts(name, answered);
  }

  #take(kind: InstalledKind, parsed: Parsed<Prepared>, offer: Versioned<Message>): readonly Problem[] {
    if (!parsed.ok) return parsed.problems;
    const { dependencies } = parsed.value;
    const refused = [...refuseSources(dependencies, this.#deps), ...this.#refuseUnknown(dependencies)];
    if (refused.length > 0) {
      parsed.value.abandon?.();
      return [...parsed.problems, ...refused];
    }
    for (const wanted of dependencies.extensions) this.#extensions.noteConflict(wanted);
    this.#askers.note(parsed.value.name, dependencies);
    this.#room.wait(kind, parsed.value, offer);
    return parsed.problems;
  }

  /** What is not in the bootstrap will never be (Envoy). */
  #refuseUnknown({ secrets }: Dependencies): Problem[] {
    return secrets
      .filter(({ key, source }) => source.kind === 'bootstrap' && this.#deps.secrets.get(key) === undefined)
      .map(({ name, path }) => ({
        level: 'error',
        path,
        message: `is missing, and no secret of the bootstrap is called "${name}"`,
      }));
  }

  #isComplete({ routes, endpoints, secrets, extensions, virtualHosts }: Dependencies): boolean {
    const { route, endpoint, extension, secret } = this.#unavailable;
    return (
      routes.every(({ key }) => this.#room.isInstalled('route', key) || route.has(key)) &&
      endpoints.every(({ key }) => this.#endpoints.has(key) || endpoint.has(key)) &&
      secrets.every(({ key }) => this.#deps.secrets.get(key) !== undefined || secret.has(key)) &&
      extensions.every(
        ({ key, isAwaited }) => !isAwaited || this.#extensions.has(key) || extension.has(key),
      ) &&
      (virtualHosts === undefined || this.hosts.hasAnswered(virtualHosts))
    );
  }

  /** How long one waits for what it names. */
  #patienceMs(dependencies: Dependencies): number {
    const { initialFetchTimeoutMs } = this.#deps;
    const all = allOf(dependencies).map(({ timeoutMs }) => timeoutMs ?? initialFetchTimeoutMs);
    if (all.length === 0) return initialFetchTimeoutMs;
    return all.includes(0) ? 0 : Math.max(...all);
  }

  /** What `dependencies` still lacks. */
  #missing({ routes, endpoints, secrets, extensions, virtualHosts }: Dependencies): string[] {
    const lacking = (what: string, wanted: readonly Wanted[], isThere: (key: string) => boolean): string[] =>
      wanted.filter(({ key }) => !isThere(key)).map(({ key }) => `${what} ${textOfKey(key)}`);
    return [
      ...lacking('routes', routes, (key) => this.#room.isInstalled('route', key)),
      ...lacking('endpoints', endpoints, (key) => this.#endpoints.has(key)),
      ...lacking(
        'filter',
        extensions.filter(({ isAwaited }) => isAwaited),
        (key) => this.#extensions.has(key),
      ),
      ...lacking('virtual hosts of', virtualHosts === undefined ? [] : [virtualHosts], () => false),
      ...lacking('secret', secrets, (key) => this.#deps.secrets.get(key) !== undefined),
    ];
  }

  #forget(kind: InstalledKind, name: string): void {
    this.#room.forget(kind, name);
    this.table.remove(kind, name);
    this.#announce();
  }

  #wantedExtensions(isMeant: (one: WantedExtension) => boolean): WantedExtension[] {
    return [...this.#room.needs()].flatMap(({ extensions }) => extensions.filter(isMeant));
  }

  #announce(): void {
    for (const listener of this.#changed) listener();
  }
}

function namedAs(key: string, routes: RouteConfiguration): RouteConfiguration {
  return key === routes.name ? routes : { ...routes, name: key };
}

/** What is kept to be shown, where it is not what a server gave. */
function asMessage(message: RouteConfiguration): { message: RouteConfiguration; encoded: undefined } {
  return { message, encoded: undefined };
}
