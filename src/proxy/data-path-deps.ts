/** What the data path is given from outside: time, chance, figures and the files it writes to. */
import type { Server, Socket } from 'node:net';
import type { Clock } from '#core/clock.ts';
import type { Random } from '#core/random.ts';
import type { Logger } from '#observe/log.ts';
import type { MetricRegistry } from '#observe/metrics-contract.ts';
import type { BindConfig } from '#xds/gen/envoy/config/core/v3/address_pb.js';
import type { Locality } from './cluster/endpoint.ts';
import type { HostEvent } from './cluster/endpoint-health.ts';
import type { LimitedCount, SharedCounts } from './cluster/limited-count.ts';
import type { SecretStore } from './contract.ts';
import type { HostCache } from './dns/cache.ts';
import type { CacheSettings } from './dns/cache-settings.ts';
import type { LookUp } from './dns/lookup.ts';
import type { BucketMemory } from './filter/bucket-memory.ts';
import type { CataloguedFilter } from './filter/contract.ts';
import type { OriginalDestination } from './listen/original-dst.ts';
import type { OverloadState } from './overload/state.ts';
import type { SocketOption } from './pool/upstream-binding.ts';
import type { RuntimeValues } from './runtime/values.ts';
import type { ServingThread } from './threads/serving-thread.ts';

/** Where access-log lines go. */
export interface LineSink {
  /** @param line a byte string with its line feed. */
  write(line: string): void;
}

/** Limits on downstream connections, besides those of filters. */
export interface ConnectionLimits {
  /** Of all listeners and threads together, but for listeners that ignore it. */
  readonly process: LimitedCount;
}

/** What zone-aware routing starts from. */
export interface Home {
  /** Absent: the node has none. */
  readonly locality?: Locality | undefined;
  /** Name (Envoy, `cluster_manager.local_cluster_name`); '': none. */
  readonly cluster: string;
}

export interface DataPathDeps {
  readonly clock: Clock;
  /** Absent: what configuration says holds. */
  readonly runtime?: RuntimeValues;
  readonly random: Random;
  readonly metrics: MetricRegistry;
  readonly secrets: SecretStore;
  readonly log: Logger;
  /** HTTP filters besides the built-in ones; `filter/catalogue.ts` in a process, others in tests. */
  readonly filters: readonly CataloguedFilter[];
  /** Opens, or shares, the file at a path; throws the system's error. */
  openLog(path: string): LineSink;
  readonly lookUp: LookUp;
  /** The names that filters and clusters share; undefined where another of that name has other settings. Absent where nothing is served. */
  hostCache?(settings: CacheSettings): HostCache | undefined;
  /** The address of this host, put into x-forwarded-for where the peer is on the loopback (Envoy's node address). */
  readonly localAddress: string;
  /** `--service-cluster` and `--service-node`, for `x-envoy-downstream-service-*`; empty where unknown. */
  readonly nodeCluster: string;
  readonly nodeId: string;
  /** Where this proxy is, and the cluster that it is an endpoint of; absent where zones do not matter. */
  readonly home?: Home | undefined;
  /** Reads a file named in configuration; throws the system's error. */
  readFile(path: string): Uint8Array;
  /** What the process must not do just now; absent: it may do everything. */
  readonly overload?: Readonly<OverloadState>;
  environment(name: string): string | undefined;
  /** A request waits for a virtual host: {@link DataPath.answerHosts} is told of it. Absent where nothing is served. */
  demandHost?(routes: string, host: string): void;
  /** For tests: `leanAfter` of TLS (`tls/downstream.ts`). */
  readonly leanTlsAfter?: number;
  /** Where a redirected connection was made to; absent where the system cannot be asked. */
  readonly originalDestination?: OriginalDestination;
  /** A TCP socket with options, to be connected; absent where the system cannot be asked. Throws the system's error. */
  openSocket?(family: 4 | 6, options: readonly SocketOption[]): number;
  /** The same in the network of the application that this proxy stands beside; absent where that is this one. */
  openApplicationSocket?(family: 4 | 6, options: readonly SocketOption[]): number;
  /** Of clusters that say nothing themselves (Envoy, `cluster_manager.upstream_bind_config`). */
  readonly upstreamBindConfig?: BindConfig | undefined;
  /**
   * A socket that was bound for this process, as a descriptor that belongs to who asked.
   *
   * @param key `127.0.0.1:80`, or as {@link OpenSocket} has it
   */
  inheritedSocket?(key: string, thread: number): number | undefined;
  /** Lets a server have connections to addresses of others; absent where the system cannot be asked. Throws as `openSocket`. */
  makeTransparent?(server: Server): void;
  /** A second descriptor of a socket, which belongs to who asked; absent where the system cannot be asked. */
  duplicateDescriptor?(socket: Socket | Server): number | undefined;
  /** How many of those there may be; absent: any number. */
  readonly secondDescriptors?: LimitedCount;
  /** How many downstream connections there may be; absent: any number. */
  readonly connectionLimits?: ConnectionLimits;
  /** How much of bodies HTTP/2 streams of this thread may hold; absent: any number. */
  readonly bodyMemoryBytes?: number;
  /** How long connections of what was replaced or removed may go on; absent: 10 minutes. */
  readonly drainTimeMs?: number;
  /** Token buckets of filters, shared by all threads. */
  readonly buckets: BucketMemory;
  /** Which of the threads that serve this is; absent where there is one. */
  readonly thread?: ServingThread;
  /** Memory for what all threads know of the endpoints of the cluster being installed; absent where one thread serves. */
  sharedHosts?(): SharedArrayBuffer | undefined;
  /** Tells the other threads of a cluster; absent where there are none. */
  tellThreads?(cluster: string, event: HostEvent): void;
  /** Where ejections are told of; absent: nowhere. */
  readonly outlierLogPath?: string | undefined;
  /** Counts that must be exact over all threads, of a resource being installed; absent where one thread serves. */
  sharedCounts?(kind: 'cluster' | 'listener', name: string): SharedCounts | undefined;
}
