/**
 * All connected proxies and what they should have. A change of the configuration reaches every one
 * of them through here, each at most once a burst.
 */
import type { Logger } from '#observe/log.ts';
import { emptySnapshot, type Snapshot } from '#xds/snapshot.ts';
import type { ProxyNode } from '../translate/node.ts';
import type { Caller } from './caller.ts';
import type { DiscoveryMetrics } from './discovery-metrics.ts';
import { PushQueue } from './push-queue.ts';

/** Where configuration comes from. */
export interface ConfigurationSource {
  /** False until everything was loaded once: proxies that come earlier wait, and keep what they have. */
  ready(): boolean;
  /** What the proxy should have now. @param previous what it had: maps that are still equal are taken over. */
  snapshot(node: ProxyNode, previous: Snapshot): Snapshot;
  /** Of a pod that is known; undefined for others. */
  serviceAccountOf(namespace: string, pod: string): string | undefined;
}

/** One proxy on one stream, as the rest of the control plane sees it. */
export interface ConnectedProxy {
  readonly node: ProxyNode;
  /** Undefined on the plaintext port. */
  readonly caller: Caller | undefined;
  /** Sends what is new, as far as the proxy's answers allow. */
  offer(snapshot: Snapshot): void;
  /** Ends the stream: the proxy is not, or no longer, who it says. */
  refuse(reason: string): void;
  /** Ends the stream: there is no such proxy any more. */
  dismiss(reason: string): void;
}

export interface DiscoverySettings {
  readonly source: ConfigurationSource;
  readonly metrics: DiscoveryMetrics;
  readonly log: Logger;
  readonly quietMs?: number;
  readonly maxMs?: number;
}

interface Entry<Proxy> {
  readonly proxy: Proxy;
  snapshot: Snapshot;
  /** Whether its Pod has been seen. */
  podSeen: boolean;
}

export class Discovery<Proxy extends ConnectedProxy = ConnectedProxy> {
  readonly #settings: DiscoverySettings;
  readonly #entries = new Map<Proxy, Entry<Proxy>>();
  readonly #queue: PushQueue<Entry<Proxy>>;

  constructor(settings: DiscoverySettings) {
    const { metrics, log, quietMs, maxMs } = settings;
    this.#settings = settings;
    this.#queue = new PushQueue<Entry<Proxy>>(
      {
        started: () => metrics.pushStarted(),
        push: (entry) => this.#push(entry),
        failed: ({ proxy }, error) => {
          metrics.internalError();
          log.error('control.push-failed', { node: proxy.node.id, error: textOf(error) });
        },
        ...(quietMs !== undefined && { quietMs }),
        ...(maxMs !== undefined && { maxMs }),
      },
      () => this.#entries.values(),
    );
  }

  /** The configuration, or whether there is one, has changed. */
  changed(): void {
    this.#queue.changed();
  }

  /** A proxy said who it is. Undefined: it is taken in; else the reason why not, to be told to it. */
  join(proxy: Proxy): string | undefined {
    const stranger = this.whyStranger(proxy);
    if (stranger === undefined) this.#entries.set(proxy, { proxy, snapshot: emptySnapshot, podSeen: false });
    return stranger;
  }

  /** Why `proxy` may not have the configuration of the workload that it says it is. */
  whyStranger({ node, caller }: Proxy): string | undefined {
    if (caller === undefined) return undefined;
    const { account, pod } = caller;
    const name = `${node.podName}.${node.namespace}`;
    if (node.id.split('~')[2] !== name)
      return `the node id ${node.id} and its metadata name different workloads`;
    if (account.namespace !== node.namespace) return `${caller.id.uri} may not be ${name}: another namespace`;
    if (pod !== undefined && pod !== node.podName)
      return `the join token was made for ${pod}, not for ${node.podName}`;
    const owner = this.#settings.source.serviceAccountOf(node.namespace, node.podName);
    if (owner !== undefined && owner !== account.serviceAccount) {
      return `${caller.id.uri} may not be ${name}, which runs as ${owner}`;
    }
    return undefined;
  }

  /** Offers a proxy that joined what there is now. Throws where that cannot be made. */
  push(proxy: Proxy): void {
    const entry = this.#entries.get(proxy);
    if (entry !== undefined) this.#push(entry);
  }

  leave(proxy: Proxy): void {
    const entry = this.#entries.get(proxy);
    if (entry === undefined) return;
    this.#entries.delete(proxy);
    this.#queue.remove(entry);
  }

  /** In the order they came. */
  proxies(): Iterable<Proxy> {
    return this.#entries.keys();
  }

  /** The proxy called `POD.NAMESPACE`, before a gRPC client of that name; of several streams the newest. No agent. */
  find(name: string): Proxy | undefined {
    const called = [...this.#entries.keys()].filter(
      ({ node }) => node.role !== 'agent' && `${node.podName}.${node.namespace}` === name,
    );
    return called.findLast(({ node }) => node.client !== 'grpc') ?? called.at(-1);
  }

  /** Whether all of them were offered what there is now; their answers may be under way. */
  get settled(): boolean {
    return this.#queue.idle;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** What `proxy` was last offered. */
  snapshotOf(proxy: Proxy): Snapshot {
    return this.#entries.get(proxy)?.snapshot ?? emptySnapshot;
  }

  close(): void {
    this.#queue.close();
    this.#entries.clear();
  }

  #push(entry: Entry<Proxy>): void {
    const { source } = this.#settings;
    const { proxy } = entry;
    if (!source.ready()) return;
    const stranger = this.whyStranger(proxy);
    if (stranger !== undefined) {
      proxy.refuse(stranger);
      return;
    }
    if (this.#podHasGone(entry)) {
      proxy.dismiss(`the Pod ${proxy.node.namespace}/${proxy.node.podName} is gone`);
      return;
    }
    const wanted = source.snapshot(proxy.node, entry.snapshot);
    // Whoever comes without proof gets no secret, whatever the configuration says.
    entry.snapshot = proxy.caller === undefined ? { ...wanted, secret: emptySnapshot.secret } : wanted;
    proxy.offer(entry.snapshot);
  }

  /** The end of a connection may never be heard where the network of a Pod goes with it. */
  #podHasGone(entry: Entry<Proxy>): boolean {
    const { namespace, podName } = entry.proxy.node;
    const known = this.#settings.source.serviceAccountOf(namespace, podName) !== undefined;
    const gone = entry.podSeen && !known;
    entry.podSeen = known;
    return gone;
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
