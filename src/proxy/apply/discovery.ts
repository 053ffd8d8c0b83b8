/**
 * Keeps the streams to management servers in step with what the configuration names: listeners and
 * clusters all, routes, endpoints, configurations of filters and secrets by name, secrets of other servers on streams of theirs.
 */
import type { Logger } from '#observe/log.ts';
import type { MetricRegistry } from '#observe/metrics-contract.ts';
import type { Node } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type { ResourceKind } from '#xds/resource-type.ts';
import type { Transport } from '#xds/transport.ts';
import { adsSource, type ResourceSource, type StreamSource } from '../resource-source.ts';
import type { Configuration } from './configuration.ts';
import { discoveryMethods, type StreamScope } from './discovery-method.ts';
import { type FileKind, type FileSource, watchFileSource } from './file-source.ts';
import { type Interest, type NamedKind, namedKinds } from './interest.ts';
import type { KeptConfiguration } from './kept-configuration.ts';
import { type FileOrigin, NamedSources, type StreamOrigin } from './named-sources.ts';
import type { Receive } from './receive.ts';
import { createXdsStream, type XdsStream } from './stream.ts';
import { countAnswer, isCountedByName, type UpdateCounts } from './update-counts.ts';

export interface DiscoveryDeps {
  readonly configuration: Configuration;
  readonly receive: Receive;
  readonly counts: UpdateCounts;
  readonly node: Node;
  readonly ads: StreamSource | undefined;
  readonly listeners: ResourceSource | undefined;
  readonly clusters: ResourceSource | undefined;
  /** Whether layers of the runtime come from servers or files, before there are listeners. */
  readonly awaitsRuntime: boolean;
  /** Whether to ask the ADS server for the names of DNS. */
  readonly names: boolean;
  /** SDS clusters whose secrets this process gives itself. */
  readonly ownSecrets: ReadonlySet<string>;
  /** How long the first clusters may hold up the first listeners; 0 is for ever. */
  readonly initialFetchTimeoutMs: number;
  /** Whether the configuration is incomplete as long as its lists have not come, however long that takes. */
  readonly needsConfiguration: boolean;
  /** Called when a list has come for the first time, or did not come in time. */
  readonly onProgress: () => void;
  readonly log: Logger;
  readonly metrics: MetricRegistry;
  readonly random: () => number;
  /** What is begun with while no server can be had; absent: nothing. */
  readonly kept?: KeptConfiguration | undefined;
  transportTo(cluster: string): Transport;
}

/** Where the state of a kind's own stream is counted, where that is not with its server. */
const statsOf: Readonly<Partial<Record<StreamScope, string>>> = {
  ads: 'control_plane',
  cluster: 'cluster_manager.cds.control_plane',
  listener: 'listener_manager.lds.control_plane',
  endpoint: 'eds.control_plane',
  route: 'rds.control_plane',
  virtualHost: 'vhds.control_plane',
  extension: 'extension_config_discovery.control_plane',
  runtime: 'runtime.control_plane',
};

/** How much longer than it takes to come into step there is before that is done again. */
const PAUSE_FACTOR = 8;

export interface Discovery {
  start(): void;
  /** Whether all listeners and clusters were received and are in force. */
  complete(): boolean;
  /** Says to the ADS server how the application is. @param failure undefined: it is healthy */
  reportHealth(failure: string | undefined): void;
  close(): void;
}

export function createDiscovery(deps: DiscoveryDeps): Discovery {
  return new StreamsInStep(deps);
}

class StreamsInStep implements Discovery {
  readonly #deps: DiscoveryDeps;
  readonly #transports: Transport[] = [];
  readonly #lists: { close(): void }[] = [];
  readonly #named: NamedSources;
  /** What is asked for as a whole and has not come yet. */
  readonly #awaited = new Set<ResourceKind>();
  #ads: XdsStream | undefined;
  #holdTimer: NodeJS.Timeout | undefined;
  #inStep: NodeJS.Timeout | undefined;
  /** What it took last. */
  #inStepMs = 0;
  #closed = false;
  /** Whether virtual hosts were asked for over ADS. */
  #hostsAsked = false;
  /** Undefined before it was said. */
  #health: { readonly failure: string | undefined } | undefined;

  constructor(deps: DiscoveryDeps) {
    this.#deps = deps;
    if (deps.clusters !== undefined) this.#awaited.add('cluster');
    if (deps.listeners !== undefined) this.#awaited.add('listener');
    if (deps.awaitsRuntime) this.#awaited.add('runtime');
    if (deps.names) this.#awaited.add('nameTable');
    this.#named = new NamedSources({
      openStream: (kind, source) => this.#stream(kind, source),
      openFile: (kind, source, names) => this.#file(kind, source, names),
      isOwn: (kind, { stream }) =>
        kind === 'secret' && stream.services.some(({ cluster }) => deps.ownSecrets.has(cluster)),
    });
  }

  start(): void {
    const { configuration, clusters, listeners, initialFetchTimeoutMs } = this.#deps;
    if (clusters !== undefined || this.#awaited.has('runtime')) configuration.holdListeners(true);
    if (this.#awaited.size > 0 && initialFetchTimeoutMs > 0) {
      this.#holdTimer = setTimeout(() => this.#waitedInVain(), initialFetchTimeoutMs).unref();
    }
    configuration.onChange(() => this.#soon());
    this.#startAds();
    this.#startList('cluster', clusters);
    this.#startList('listener', listeners);
    this.#keepInStep();
  }

  complete(): boolean {
    return this.#awaited.size === 0 && this.#deps.configuration.warming().length === 0;
  }

  reportHealth(failure: string | undefined): void {
    this.#health = { failure };
    this.#ads?.reportHealth(failure);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#holdTimer);
    clearTimeout(this.#inStep);
    this.#ads?.close();
    for (const list of this.#lists) list.close();
    this.#named.close();
    for (const transport of this.#transports) transport.close();
  }

  readonly #received: Receive = async (update, source) => {
    const outcome = await this.#deps.receive(update, source);
    this.#deps.kept?.note(update, source, outcome.applied);
    const first = this.#awaited.delete(update.kind);
    if (this.#awaited.size === 0) clearTimeout(this.#holdTimer);
    const held = this.#awaited.has('cluster') || this.#awaited.has('runtime');
    if (first && !held) this.#deps.configuration.holdListeners(false);
    if (first) this.#deps.onProgress();
    // A stream may have waited for the certificate it connects with.
    if (update.kind === 'secret') this.#ads?.hurry();
    return outcome;
  };

  /** The server is away: what the bootstrap holds serves alone. */
  #waitedInVain(): void {
    const { configuration, log, needsConfiguration, onProgress } = this.#deps;
    log.warn('xds.no-configuration-yet', { missing: [...this.#awaited] });
    if (!needsConfiguration) this.#awaited.clear();
    // An older server knows none.
    this.#awaited.delete('nameTable');
    this.#awaited.delete('runtime');
    configuration.holdListeners(false);
    onProgress();
  }

  #startAds(): void {
    const { ads, clusters, listeners, names } = this.#deps;
    if (ads === undefined) return;
    this.#ads = this.#stream('ads', { kind: 'stream', id: '', stream: ads });
    if (this.#health !== undefined) this.#ads.reportHealth(this.#health.failure);
    if (clusters?.kind === 'ads') this.#ads.want('cluster', ['*']);
    if (listeners?.kind === 'ads') this.#ads.want('listener', ['*']);
    if (names) this.#ads.want('nameTable', ['*']);
    this.#ads.start();
  }

  /** Of lists that do not come by ADS. */
  #startList(kind: 'cluster' | 'listener', source: ResourceSource | undefined): void {
    if (source?.kind === 'file') {
      this.#lists.push(this.#file(kind, source, undefined));
    } else if (source?.kind === 'stream') {
      const stream = this.#stream(kind, source);
      this.#lists.push(stream);
      stream.want(kind, ['*']);
      stream.start();
    }
  }

  #file(kind: FileKind, source: FileOrigin, names: (() => ReadonlySet<string>) | undefined): FileSource {
    const { configuration, log, counts } = this.#deps;
    return watchFileSource({
      ...{ kind, source, configuration, log },
      ...(names !== undefined && { names }),
      apply: (update) => this.#received(update, source),
      onUnreadable(): void {
        if (!isCountedByName(kind)) {
          counts.answered({ kind, name: '', by: '' }, 'failure');
          return;
        }
        for (const name of names?.() ?? [])
          countAnswer({ configuration, counts }, { kind, source }, name, 'failure');
      },
    });
  }

  #stream(scope: StreamScope, source: StreamOrigin): XdsStream {
    const { node, log, metrics, random } = this.#deps;
    const { protocol, services } = source.stream;
    const servers = services.map(({ cluster, initialMetadata }) => {
      const transport = this.#deps.transportTo(cluster);
      this.#transports.push(transport);
      return { transport, metadata: Object.fromEntries(initialMetadata) };
    });
    const path = statsOf[scope] ?? `sds.${services[0]!.cluster}`;
    const family = scope === 'ads' ? 'control_plane' : (statsOf[scope] ?? 'sds');
    const gauges = metrics.scope({ path, family, labels: {} });
    const from: ResourceSource = scope === 'ads' ? adsSource : source;
    const stream: XdsStream = createXdsStream({
      name: scope === 'ads' ? 'ads' : `${discoveryMethods[scope].delta.parent.name} ${source.id}`,
      ...{ scope, protocol, node, servers, log, random },
      connectedState: gauges.gauge('connected_state'),
      apply: (update) => this.#received(update, from),
      ...(this.#deps.kept !== undefined && { onAway: () => this.#beginWithKept(from, stream) }),
    });
    return stream;
  }

  /** What that source said to the process before. */
  async #beginWithKept(source: ResourceSource, stream: XdsStream): Promise<void> {
    for (const update of this.#deps.kept?.load(source) ?? []) {
      const { applied } = await this.#received(update, source);
      const versions = new Map(update.changed.map(({ name, version }) => [name, version]));
      for (const name of applied) stream.adopt(update.kind, name, versions.get(name) ?? '');
    }
  }

  /** Once for many changes of one turn, and of several where there is so much that it takes a while. */
  #soon(): void {
    if (this.#inStep !== undefined || this.#closed) return;
    this.#inStep = setTimeout(() => {
      this.#inStep = undefined;
      const startedMs = performance.now();
      this.#keepInStep();
      this.#inStepMs = performance.now() - startedMs;
    }, this.#inStepMs * PAUSE_FACTOR);
  }

  #namesOnAds(kind: NamedKind, interest: Interest): ReadonlySet<string> {
    const names = interest[kind].of(adsSource.id);
    if (kind !== 'virtualHost') return names;
    // Once all of them are asked for they stay so, as to Envoy: what is nobody's is passed over.
    this.#hostsAsked ||= names.size > 0;
    return this.#hostsAsked ? new Set(['*', ...names]) : names;
  }

  #keepInStep(): void {
    if (this.#closed) return;
    const interest = this.#deps.configuration.interest();
    for (const kind of namedKinds) this.#ads?.want(kind, this.#namesOnAds(kind, interest));
    this.#named.keepInStep(interest);
    this.#deps.configuration.dropAllBut(interest);
    this.#deps.kept?.keepOnly(interest);
  }
}
