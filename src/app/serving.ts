/** The data path of a process: on the main thread, or on several threads where that is asked for. */
import { LOG_LEVEL_BYTES, type Logger } from '#observe/log.ts';
import { createLogFiles, type LogFiles } from '#observe/log-files.ts';
import { Metrics } from '#observe/metrics.ts';
import { SharedCounts } from '#proxy/cluster/limited-count.ts';
import type { DataPath, SecretStore } from '#proxy/contract.ts';
import type { Home } from '#proxy/data-path-deps.ts';
import { BucketMemory } from '#proxy/filter/bucket-memory.ts';
import type { OverloadSettings } from '#proxy/overload/settings.ts';
import type { RuntimeSnapshot } from '#proxy/runtime/snapshot.ts';
import { ThreadedDataPath } from '#proxy/threads/threaded-data-path.ts';
import type { BindConfig } from '#xds/gen/envoy/config/core/v3/address_pb.js';
import { connectionLimits, maxConnections } from './connection-limits.ts';
import { watchMemory } from './memory-watch.ts';
import { createThreadDataPath } from './thread-data-path.ts';
import { startWorkerThread } from './worker-thread.ts';

/** How many token buckets of filters the threads can share. */
const TOKEN_BUCKETS = 4096;

/** More than one thread. */
export interface ServingThreads {
  readonly count: number;
  /** Where all of them read the level of the log. */
  readonly logLevel: SharedArrayBuffer;
}

/** @param concurrency as on the command line: 0 and absent are one thread, which is the main thread. */
export function servingThreads(concurrency = 0): ServingThreads | undefined {
  return concurrency <= 1
    ? undefined
    : { count: concurrency, logLevel: new SharedArrayBuffer(LOG_LEVEL_BYTES) };
}

export interface ServingOptions {
  /** Absent: the main thread serves. */
  readonly threads?: ServingThreads | undefined;
  readonly metrics: Metrics;
  readonly secrets: SecretStore;
  readonly log: Logger;
  readonly nodeCluster: string;
  readonly nodeId: string;
  readonly home: Home;
  readonly logFlushIntervalMs: number | undefined;
  readonly runtime: RuntimeSnapshot;
  /** Absent: the default. */
  readonly overload?: OverloadSettings | undefined;
  /** Of clusters that say nothing themselves. */
  readonly upstreamBindConfig: BindConfig | undefined;
  /** Where ejections are told of; undefined: nowhere. */
  readonly outlierLogPath: string | undefined;
  /** Of connections of what was replaced or removed. */
  readonly drainTimeMs: number;
  /** A request waits for a virtual host of a route table. */
  demandHost(routes: string, host: string): void;
}

export interface Serving {
  readonly dataPath: DataPath;
  /** Of this thread. */
  readonly logFiles: LogFiles;
  /** On every thread. */
  reopenLogs(): void;
}

export function createServing(options: ServingOptions): Serving {
  const {
    threads,
    metrics,
    secrets,
    log,
    runtime,
    nodeCluster,
    nodeId,
    home,
    logFlushIntervalMs,
    drainTimeMs,
    overload,
    upstreamBindConfig,
    outlierLogPath,
    demandHost,
  } = options;
  const connections = maxConnections(overload?.maxConnections);
  const logFiles = createLogFiles(logFlushIntervalMs);
  let bucketMemory: SharedArrayBuffer | undefined;
  const buckets = (): SharedArrayBuffer => {
    bucketMemory ??= new SharedArrayBuffer(BucketMemory.bytes(TOKEN_BUCKETS));
    return bucketMemory;
  };
  const local = createThreadDataPath({
    runtime,
    // One that only judges counts nothing: what its workers count is shown.
    metrics: threads === undefined ? metrics : new Metrics(),
    secrets,
    log,
    logFiles,
    overloadSettings: overload,
    nodeCluster,
    nodeId,
    home,
    drainTimeMs,
    upstreamBindConfig,
    outlierLogPath,
    demandHost,
    connectionLimits: connectionLimits(connections, runtime),
    overload: watchMemory(overload, metrics, log),
    buckets: new BucketMemory(buckets, 0),
  });
  if (threads === undefined) return { dataPath: local, logFiles, reopenLogs: () => logFiles.reopen() };
  const { count, logLevel } = threads;
  const connectionCount = SharedCounts.memory(1, count);
  const dataPath = new ThreadedDataPath({
    threads: count,
    connectionCount,
    judge: local,
    metrics,
    secrets,
    log,
    demandHost,
    start: (index, figures) =>
      startWorkerThread({
        thread: { index, count },
        figures,
        logLevel,
        runtime: runtime.entries,
        logFlushIntervalMs,
        nodeCluster,
        nodeId,
        home,
        drainTimeMs,
        upstreamBindConfig,
        outlierLogPath,
        connections,
        connectionCount,
        buckets: { memory: buckets(), originMs: performance.timeOrigin },
        overload,
      }),
  });
  runtime.onChange(() => dataPath.setRuntime(runtime.entries));
  const reopenLogs = (): void => {
    logFiles.reopen();
    dataPath.reopenLogs();
  };
  return { dataPath, logFiles, reopenLogs };
}
