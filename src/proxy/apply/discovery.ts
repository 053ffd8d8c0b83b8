/**
 * Keeps the streams to management servers in step with what the configuration names: listeners and
 * clusters all, routes, endpoints and secrets by name, secrets of other servers on streams of theirs.
 */
import type { Logger } from '#observe/log.ts';
import type { MetricRegistry } from '#observe/metrics-contract.ts';
import type { Node } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type { ResourceKind } from '#xds/resource-type.ts';
import type { Transport } from '#xds/transport.ts';
import type { ListSource, StreamSource } from '../bootstrap/settings.ts';
import type { Configuration, Interest } from './configuration.ts';
import { type FileSource, watchFileSource } from './file-source.ts';
import type { CountUpdate, Receive } from './receive.ts';
import { createXdsStream, type XdsStream } from './stream.ts';

export interface DiscoveryDeps {
  readonly configuration: Configuration;
  readonly receive: Receive;
  readonly counted: CountUpdate;
  readonly node: Node;
  readonly ads: StreamSource | undefined;
  readonly listeners: ListSource | undefined;
  readonly clusters: ListSource | undefined;
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
  transportTo(cluster: string): Transport;
}

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
  readonly #secretStreams = new Map<string, XdsStream>();
  readonly #files: FileSource[] = [];
  readonly #secretFiles = new Map<string, FileSource>();
  /** What is asked for as a whole and has not come yet. */
  readonly #awaited = new Set<ResourceKind>();
  #ads: XdsStream | undefined;
  #holdTimer: NodeJS.Timeout | undefined;
  #inStep: NodeJS.Timeout | undefined;
  /** What it took last. */
  #inStepMs = 0;
  #closed = false;
  /** Undefined before it was said. */
  #health: { readonly failure: string | undefined } | undefined;

  constructor(deps: DiscoveryDeps) {
    this.#deps = deps;
    if (deps.clusters !== undefined) this.#awaited.add('cluster');
    if (deps.listeners !== undefined) this.#awaited.add('listener');
    if (deps.names) this.#awaited.add('nameTable');
  }

  start(): void {
    const { configuration, clusters, listeners, initialFetchTimeoutMs } = this.#deps;
    if (clusters !== undefined) configuration.holdListeners(true);
    if (this.#awaited.size > 0 && initialFetchTimeoutMs > 0) {
      this.#holdTimer = setTimeout(() => this.#waitedInVain(), initialFetchTimeoutMs).unref();
    }
    configuration.onChange(() => this.#soon());
    this.#startAds();
    for (const [kind, source] of [
      ['cluster', clusters],
      ['listener', listeners],
    ] as const) {
      if (source?.kind !== 'file') continue;
      const { log, counted } = this.#deps;
      const onUnreadable = (): void => counted(kind, 'failure', '');
      const { path } = source;
      this.#files.push(
        watchFileSource({ kind, path, configuration, log, apply: this.#received, onUnreadable }),
      );
    }
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
    for (const stream of this.#secretStreams.values()) stream.close();
    for (const file of [...this.#files, ...this.#secretFiles.values()]) file.close();
    for (const transport of this.#transports) transport.close();
  }

  readonly #received: Receive = async (update) => {
    const outcome = await this.#deps.receive(update);
    const first = this.#awaited.delete(update.kind);
    if (this.#awaited.size === 0) clearTimeout(this.#holdTimer);
    if (first && update.kind === 'cluster') this.#deps.configuration.holdListeners(false);
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
    configuration.holdListeners(false);
    onProgress();
  }

  #startAds(): void {
    const { ads, clusters, listeners, names } = this.#deps;
    if (ads === undefined) return;
    this.#ads = this.#stream('ads', 'ads', ads);
    if (this.#health !== undefined) this.#ads.reportHealth(this.#health.failure);
    if (clusters?.kind === 'ads') this.#ads.want('cluster', ['*']);
    if (listeners?.kind === 'ads') this.#ads.want('listener', ['*']);
    if (names) this.#ads.want('nameTable', ['*']);
    this.#ads.start();
  }

  #stream(name: string, service: 'ads' | 'sds', source: StreamSource): XdsStream {
    const { node, log, metrics, random } = this.#deps;
    const transport = this.#deps.transportTo(source.cluster);
    this.#transports.push(transport);
    const path = service === 'ads' ? 'control_plane' : `sds.${source.cluster}`;
    const scope = metrics.scope({ path, family: service === 'ads' ? 'control_plane' : 'sds', labels: {} });
    return createXdsStream({
      name,
      service,
      protocol: source.protocol,
      node,
      transport,
      metadata: Object.fromEntries(source.initialMetadata),
      log,
      connectedState: scope.gauge('connected_state'),
      random,
      apply: this.#received,
    });
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

  #keepInStep(): void {
    if (this.#closed) return;
    const interest = this.#deps.configuration.interest();
    this.#ads?.want('route', interest.routes);
    this.#ads?.want('endpoint', interest.endpoints);
    this.#ads?.want('secret', interest.secrets.get('') ?? []);
    this.#keepSecretsInStep(interest);
    this.#keepFilesInStep(interest.files);
    this.#deps.configuration.dropAllBut(interest);
  }

  #keepSecretsInStep({ secrets }: Interest): void {
    for (const [cluster, names] of secrets) {
      if (cluster === '' || this.#deps.ownSecrets.has(cluster)) continue;
      let stream = this.#secretStreams.get(cluster);
      if (stream === undefined) {
        stream = this.#stream(`sds ${cluster}`, 'sds', { protocol: 'sotw', cluster, initialMetadata: [] });
        this.#secretStreams.set(cluster, stream);
        stream.want('secret', names);
        stream.start();
      } else stream.want('secret', names);
    }
    for (const [cluster, stream] of this.#secretStreams) {
      if (secrets.has(cluster)) continue;
      stream.close();
      this.#secretStreams.delete(cluster);
    }
  }

  #keepFilesInStep(files: Interest['files']): void {
    const { configuration, log, counted } = this.#deps;
    for (const path of files.keys()) {
      if (this.#secretFiles.has(path)) continue;
      const onUnreadable = (): void => {
        for (const name of configuration.interest().files.get(path) ?? []) counted('secret', 'failure', name);
      };
      const apply = this.#received;
      const source = watchFileSource({ kind: 'secret', path, configuration, log, apply, onUnreadable });
      this.#secretFiles.set(path, source);
    }
    for (const [path, source] of this.#secretFiles) {
      if (files.has(path)) continue;
      source.close();
      this.#secretFiles.delete(path);
    }
  }
}
