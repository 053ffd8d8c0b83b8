/**
 * What `heddle proxy`, `heddle sidecar` and `heddle gateway` share: a data path, what configures it,
 * the admin interface and the way it all stops.
 */
import { writeFileSync } from 'node:fs';
import { create } from '@bufbuild/protobuf';
import { formatProblem, type Problem } from '#core/problem.ts';
import { inSlices, type Steps } from '#core/time-slice.ts';
import { HEDDLE_VERSION } from '#core/version.ts';
import { duplicateDescriptor } from '#host/duplicate-descriptor.ts';
import { forgetSuccession, succeededSocket } from '#host/inherited-sockets.ts';
import type { Logger } from '#observe/log.ts';
import { Metrics } from '#observe/metrics.ts';
import type { AdminView, ListenerDrain, ServerState } from '#proxy/admin/contract.ts';
import { type RunningServer, serveAdmin } from '#proxy/admin/server.ts';
import { channelOfCluster } from '#proxy/apply/cluster-channel.ts';
import { Configuration } from '#proxy/apply/configuration.ts';
import { createDiscovery, type Discovery } from '#proxy/apply/discovery.ts';
import { createGrpcTransport } from '#proxy/apply/grpc-transport.ts';
import { KeptConfiguration } from '#proxy/apply/kept-configuration.ts';
import { type AdoptNames, createReceiver, type UnknownDynamicFields } from '#proxy/apply/receive.ts';
import { SecretFiles } from '#proxy/apply/secret-files.ts';
import { secretMessage } from '#proxy/apply/secret-material.ts';
import { offerStaticResources } from '#proxy/apply/static-resources.ts';
import { UnknownFieldsSeen } from '#proxy/apply/unknown-fields-seen.ts';
import { HeldBootstrap } from '#proxy/bootstrap/held-bootstrap.ts';
import type { LoadedBootstrap } from '#proxy/bootstrap/load.ts';
import { type BootstrapSettings, homeOf } from '#proxy/bootstrap/settings.ts';
import type { DataPath, OpenSocket, SecretMaterial, SecretStore } from '#proxy/contract.ts';
import { keyOf, streamsThrough } from '#proxy/resource-source.ts';
import { ProcessRuntime } from '#proxy/runtime/runtime.ts';
import { layersOfServers } from '#proxy/runtime/settings.ts';
import type { CommandLineOptions } from '#xds/gen/envoy/admin/v3/server_info_pb.js';
import { BootstrapSchema } from '#xds/gen/envoy/config/bootstrap/v3/bootstrap_pb.js';
import type { Cluster } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { NodeSchema, TrafficDirection } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import type { Transport } from '#xds/transport.ts';
import { lowerBackgroundThreads } from './background-threads.ts';
import { surviveExceptions } from './exception-guard.ts';
import { trimHeap } from './heap-trim.ts';
import { dataReader } from './operating-system.ts';
import { recordInitialization, showServerStats } from './server-stats.ts';
import { createServing, type Serving, type ServingThreads } from './serving.ts';
import type { StopSignal } from './stop-signal.ts';
import type { Succession } from './succession.ts';
import { countUpdates, extensionScope } from './update-stats.ts';

export interface ProxyProcessOptions {
  readonly loaded: LoadedBootstrap;
  readonly settings: BootstrapSettings;
  readonly commandLine: CommandLineOptions;
  readonly secrets: SecretStore;
  /** Secrets of this process that it has from the start. */
  readonly held?: ReadonlyMap<string, SecretMaterial>;
  /** SDS clusters whose secrets are in `secrets` already or will be put there by this process. */
  readonly ownSecrets: ReadonlySet<string>;
  readonly unknownFields: UnknownDynamicFields;
  /** Not live before its listeners and clusters came; else it is after the initial fetch timeout. */
  readonly needsConfiguration?: boolean;
  /** A file to keep the last good configuration in; absent: it is not kept. */
  readonly keptConfigurationPath?: string | undefined;
  /** A file to write the admin interface's address to. */
  readonly adminAddressPath?: string | undefined;
  /** The way to the management server `cluster`; absent: that cluster of the bootstrap. */
  readonly transportTo?: (cluster: string) => Transport;
  /** Present: the names of DNS are asked for over ADS and given to it. */
  readonly adoptNames?: AdoptNames | undefined;
  /** Why the application cannot be called yet, for the management server; absent: nobody asks. */
  readonly initialFailure?: string | undefined;
  /** Told where the admin interface makes health checks fail, or lets them pass again. */
  readonly healthFailed?: ((failed: boolean) => void) | undefined;
  /** How long an access-log line may wait in memory; absent: 1 s. */
  readonly logFlushIntervalMs?: number | undefined;
  /** The threads that serve; absent: the main thread. */
  readonly threads?: ServingThreads | undefined;
  /** How long connections may finish when listeners are drained. */
  readonly drainTimeMs: number;
  readonly log: Logger;
  /** Also asked by `POST /quitquitquit`. */
  readonly stopping: StopSignal;
  /** Undefined where nothing is served. */
  readonly succession: Succession | undefined;
}

export interface ProxyProcess {
  readonly metrics: Metrics;
  readonly dataPath: DataPath;
  /** As bound; undefined without an admin interface. */
  readonly adminAddress: string | undefined;
  /** Whether the whole configuration has come and is in force. */
  complete(): boolean;
  state(): ServerState;
  /** Says to the management server how the application is. @param failure undefined: it is healthy */
  reportHealth(failure: string | undefined): void;
  /** Puts a secret of this process in force and shows it, without its key, in `/config_dump`. */
  setSecret(name: string, material: SecretMaterial): void;
  /** All that listen, with descriptors that belong to who asked. */
  openSockets(): Promise<readonly OpenSocket[]>;
  /** Leaves the admin interface and what listens on paths to another process. */
  leave(): Promise<void>;
  /** Lets connections finish within the drain time, then closes everything. */
  stop(): Promise<void>;
  /** Closes everything now. */
  close(): Promise<void>;
}

export type StartedProxy =
  | { readonly ok: true; readonly process: ProxyProcess; readonly problems: readonly Problem[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Of the admin interface among sockets that are handed over. */
const ADMIN_KEY = 'admin';
/** Envoy's answers of `/server_info`. */
const VERSION = `heddle/${HEDDLE_VERSION}`;

/** Starts everything; what is wrong with static resources or cannot be bound comes back as problems. */
export async function startProxyProcess(options: ProxyProcessOptions): Promise<StartedProxy> {
  const running = new RunningProxy(options);
  const problems = await running.start();
  if (problems.some(({ level }) => level === 'error')) {
    await running.close();
    return { ok: false, problems };
  }
  return { ok: true, process: running, problems };
}

/** Ends it gracefully, or at once where it is asked a second time. */
export async function stopInOrder(running: ProxyProcess, stopping: StopSignal): Promise<void> {
  await Promise.race([running.stop(), stopping.askedAgain.then(() => running.close())]);
}

/** Checks static resources as `startProxyProcess` would, without opening a socket. */
export async function validateProxy(options: ProxyProcessOptions): Promise<readonly Problem[]> {
  const running = new RunningProxy({ ...options, threads: undefined });
  const problems = running.offerStatic();
  await running.close();
  return problems;
}

class RunningProxy implements ProxyProcess {
  readonly metrics = new Metrics();
  readonly dataPath: DataPath;
  adminAddress: string | undefined;
  #options: ProxyProcessOptions;
  readonly #bootstrap: HeldBootstrap;
  readonly #serving: Serving;
  readonly #runtime: ProcessRuntime;
  readonly #configuration: Configuration;
  readonly #discovery: Discovery;
  readonly #updateCounts = countUpdates(this.metrics, (name) => this.#configuration.filterKinds(name));
  #kept: KeptConfiguration | undefined;
  #secretFiles: SecretFiles | undefined;
  readonly #startedMs = Date.now();
  readonly #live = Promise.withResolvers<void>();
  #admin: RunningServer | undefined;
  #state: ServerState = 'PRE_INITIALIZING';
  #healthFailed = false;
  #intervals: NodeJS.Timeout | undefined;
  #endGuard: () => void = () => {};
  #endTrim: () => void = () => {};
  #endLowering: () => void = () => {};

  constructor(options: ProxyProcessOptions) {
    const { log, secrets, settings } = options;
    this.#options = options;
    this.#bootstrap = new HeldBootstrap(options.loaded.bootstrap);
    this.metrics.view = settings.statsView;
    this.#runtime = new ProcessRuntime(settings.runtimeLayers, { metrics: this.metrics, log });
    this.#serving = createServing({
      threads: options.threads,
      metrics: this.metrics,
      secrets,
      log,
      nodeCluster: options.loaded.bootstrap.node?.cluster ?? '',
      nodeId: options.loaded.bootstrap.node?.id ?? '',
      home: homeOf(options.loaded.bootstrap),
      logFlushIntervalMs: options.logFlushIntervalMs,
      runtime: this.#runtime.values,
      overload: settings.overload,
      upstreamBindConfig: settings.upstreamBindConfig,
      outlierLogPath: settings.outlierLogPath,
      drainTimeMs: options.drainTimeMs,
      demandHost: (routes, host) => this.#configuration.demandHost(routes, host),
    });
    forgetSuccession();
    this.dataPath = this.#serving.dataPath;
    const server = showServerStats(this.metrics, {
      ...{ startedMs: this.#startedMs, concurrency: options.threads?.count ?? 1, secrets },
      state: () => this.state(),
    });
    this.#configuration = new Configuration({
      dataPath: this.dataPath,
      secrets,
      log,
      initialFetchTimeoutMs: settings.initialFetchTimeoutMs,
      installFailed: () => server.counter('install_failed').inc(),
      hostCounts: {
        count: (path, event) =>
          this.metrics.scope({ path, family: 'http.rds.vhds', labels: {} }).counter(event).inc(),
        forget: (path) => this.metrics.removeScope(path),
      },
      countExtension: (kind, name, event) =>
        this.metrics.scope(extensionScope(kind, name)).counter(event).inc(),
      updateCounts: this.#updateCounts,
      runtimeLayers: layersOfServers(settings.runtimeLayers),
      carriesStreams: (cluster) => this.#carriesStreams(cluster),
      adsProtocol: settings.ads?.protocol,
    });
    this.#discovery = this.#createDiscovery();
  }

  offerStatic(): readonly Problem[] {
    const { loaded, secrets } = this.#options;
    return offerStaticResources(loaded, { configuration: this.#configuration, secrets, reader: dataReader });
  }

  async start(): Promise<readonly Problem[]> {
    const { settings, log } = this.#options;
    for (const [name, material] of this.#options.held ?? []) this.setSecret(name, material);
    const problems = [...this.offerStatic()];
    if (problems.some(({ level }) => level === 'error')) return problems;
    const { succession, stopping } = this.#options;
    const predecessor = succession?.predecessor;
    // The admin interface answers first, so that a proxy that waits can be asked what for; but one
    // before this one answers as long as this one waits.
    if (predecessor === undefined) problems.push(...(await this.#startAdmin()));
    this.#state = 'INITIALIZING';
    this.#runtime.watch();
    await this.#configuration.settle();
    problems.push(...this.#notBound());
    if (problems.some(({ level }) => level === 'error')) return problems;
    this.#configuration.onChange(() => this.#settled());
    const { initialFailure } = this.#options;
    if (initialFailure !== undefined) this.#discovery.reportHealth(initialFailure);
    this.#discovery.start();
    this.#settled();
    if (predecessor !== undefined) {
      await Promise.race([this.#live.promise, stopping.asked]);
      problems.push(...(await this.#startAdmin()));
    }
    this.#intervals = setInterval(
      () => void inSlices(this.metrics.intervalSteps()),
      settings.statsFlushIntervalMs,
    ).unref();
    this.#endGuard = surviveExceptions(this.metrics, log);
    const bootstrap = create(BootstrapSchema);
    this.#options = { ...this.#options, loaded: { bootstrap, locate: unplaced, place: unplaced } };
    this.#endTrim = trimHeap(() => this.#packResources());
    this.#endLowering = lowerBackgroundThreads();
    log.info('proxy.started', { admin: this.adminAddress, version: HEDDLE_VERSION });
    return problems;
  }

  /** What is shown of the configuration takes a tenth of the memory as bytes. */
  *#packResources(): Steps<void> {
    this.#bootstrap.pack();
    yield* this.#configuration.table.pack();
  }

  complete(): boolean {
    return this.#discovery.complete();
  }

  state(): ServerState {
    return this.#healthFailed ? 'DRAINING' : this.#state;
  }

  reportHealth(failure: string | undefined): void {
    this.#discovery.reportHealth(failure);
  }

  setSecret(name: string, material: SecretMaterial): void {
    const { table } = this.#configuration;
    table.warm('secret', name, '', secretMessage(name, material), 'dynamic');
    table.activate('secret', name);
    const { secrets, ownSecrets } = this.#options;
    secrets.set(name, material);
    // Whoever names them by such a stream means these.
    for (const cluster of ownSecrets)
      for (const id of streamsThrough(cluster)) secrets.set(keyOf(name, { id }), material);
  }

  async openSockets(): Promise<readonly OpenSocket[]> {
    const fd = this.#admin && duplicateDescriptor(this.#admin.server);
    return [...(await this.dataPath.openSockets()), ...(fd === undefined ? [] : [{ key: ADMIN_KEY, fd }])];
  }

  async leave(): Promise<void> {
    this.dataPath.leavePaths();
    await this.#admin?.close(true);
    this.#admin = undefined;
  }

  async stop(): Promise<void> {
    const { drainTimeMs } = this.#options;
    this.#state = 'DRAINING';
    this.#options.log.info('proxy.draining', { drainTimeMs });
    this.#discovery.close();
    await this.dataPath.drain(drainTimeMs);
    await this.close();
  }

  async close(): Promise<void> {
    clearInterval(this.#intervals);
    this.#discovery.close();
    await this.#kept?.close();
    this.#secretFiles?.close();
    this.#runtime.close();
    this.#configuration.close();
    await this.dataPath.close();
    await this.#admin?.close();
    this.#serving.logFiles.close();
    this.#endGuard();
    this.#endTrim();
    this.#endLowering();
  }

  #settled(): void {
    if (this.#state !== 'INITIALIZING' || !this.complete()) return;
    this.#state = 'LIVE';
    this.#live.resolve();
    recordInitialization(this.metrics, this.#startedMs);
    this.#options.log.info('proxy.live');
  }

  /** Static listeners that could not be put in force: the process cannot do what it was started for. */
  #notBound(): Problem[] {
    return this.#configuration.table.entries('listener').flatMap(({ name, origin, refused }): Problem[] => {
      if (origin !== 'static' || refused === undefined) return [];
      return [{ level: 'error', resource: `listener ${name}`, message: refused.details }];
    });
  }

  #createDiscovery(): Discovery {
    const { settings, secrets, ownSecrets, log, unknownFields } = this.#options;
    const server = this.metrics.scope({ path: 'server', family: 'server', labels: {} });
    this.#secretFiles = new SecretFiles({ secrets, reader: dataReader, log });
    const { keptConfigurationPath: path } = this.#options;
    const { node = create(NodeSchema) } = this.#bootstrap;
    this.#kept = path === undefined ? undefined : new KeptConfiguration({ path, node: node.id, log });
    const receive = createReceiver({
      configuration: this.#configuration,
      secrets,
      reader: dataReader,
      unknownFields,
      unknownFieldsSeen: new UnknownFieldsSeen(server.counter('dynamic_unknown_fields')),
      counts: this.#updateCounts,
      follow: (key, secret) => this.#secretFiles?.follow(key, secret),
      adoptNames: this.#options.adoptNames,
      adoptRuntime: (key, layer) => this.#runtime.adopt(key, layer),
      log,
    });
    return createDiscovery({
      configuration: this.#configuration,
      counts: this.#updateCounts,
      receive,
      node,
      ads: settings.ads,
      listeners: settings.listeners,
      clusters: settings.clusters,
      awaitsRuntime: layersOfServers(settings.runtimeLayers).length > 0,
      names: this.#options.adoptNames !== undefined,
      ownSecrets,
      initialFetchTimeoutMs: settings.initialFetchTimeoutMs,
      needsConfiguration: this.#options.needsConfiguration === true,
      onProgress: () => this.#settled(),
      kept: this.#kept,
      log,
      metrics: this.metrics,
      random: Math.random,
      transportTo: this.#options.transportTo ?? ((cluster) => this.#transportTo(cluster)),
    });
  }

  #carriesStreams(cluster: string): boolean {
    const { transportTo, ownSecrets } = this.#options;
    // What has a way of its own to its server knows no other.
    return ownSecrets.has(cluster) || (transportTo === undefined && this.#bootstrap.carriesStreams(cluster));
  }

  #transportTo(name: string): Transport {
    // Each connection goes to the next endpoint: one that is away does not stand for all.
    let connections = 0;
    return createGrpcTransport(() => {
      const entry = this.#configuration.table.get('cluster', name);
      const cluster = (entry?.active ?? entry?.warming)?.message as Cluster | undefined;
      if (cluster === undefined) throw new Error(`there is no cluster ${name}`);
      return channelOfCluster(cluster, connections++, { secrets: this.#options.secrets, reader: dataReader });
    });
  }

  async #startAdmin(): Promise<readonly Problem[]> {
    const { settings, adminAddressPath } = this.#options;
    if (settings.admin === undefined) return [];
    const writers = settings.adminLogPaths.map((path) => this.#serving.logFiles.open(path));
    const logged = ({ method, target, status }: { method: string; target: string; status: number }): void => {
      const line = `[${new Date().toISOString()}] "${method} ${target} HTTP/1.1" ${status}\n`;
      for (const writer of writers) writer.write(line);
    };
    try {
      const fd = succeededSocket(ADMIN_KEY, 0);
      const where = { ...settings.admin, ...(fd !== undefined && { fd }) };
      this.#admin = await serveAdmin(where, this.#adminView(), logged);
    } catch (error) {
      return [{ level: 'error', path: 'admin.address', message: (error as Error).message }];
    }
    this.adminAddress = this.#admin.address;
    if (adminAddressPath !== undefined) writeFileSync(adminAddressPath, this.adminAddress);
    return [];
  }

  #adminView(): AdminView {
    const { commandLine, secrets, log, stopping, succession } = this.#options;
    const { dataPath } = this;
    return {
      metrics: this.metrics,
      dataPath,
      table: this.#configuration.table,
      filterKinds: (extension) => this.#configuration.filterKinds(extension),
      secrets,
      runtime: this.#runtime,
      bootstrap: this.#bootstrap,
      commandLine,
      version: VERSION,
      startedMs: this.#startedMs,
      log,
      state: () => this.state(),
      warming: () => this.#configuration.warming(),
      actions: {
        drainListeners: (drain) => this.#drainListeners(drain),
        setHealthFailed: (failed) => {
          this.#healthFailed = failed;
          this.dataPath.setUnhealthy(failed);
          this.#options.healthFailed?.(failed);
        },
        quit: () => stopping.stop(),
        reopenLogs: () => this.#serving.reopenLogs(),
        hotRestart: async () => succession?.hotRestart.begin() ?? { ok: false, reason: 'nothing is served' },
      },
    };
  }

  #drainListeners({ graceful, inboundOnly, skipExit }: ListenerDrain): Promise<void> {
    const stop = { noticeMs: graceful ? this.#options.drainTimeMs : 0, staysOpen: skipExit };
    if (!inboundOnly) return this.dataPath.stopListeners(stop);
    const inbound = this.#configuration.table
      .entries('listener')
      .filter(
        ({ active }) =>
          (active?.message as Listener | undefined)?.trafficDirection === TrafficDirection.INBOUND,
      );
    return this.dataPath.stopListeners({ ...stop, names: inbound.map(({ name }) => name) });
  }
}

/** Places in the text are asked for while it starts only; the text is not kept. */
function unplaced(problem: Problem): Problem {
  return problem;
}

/** For the log and for people: one line each. */
export function problemTexts(problems: readonly Problem[]): string[] {
  return problems.map(formatProblem);
}
