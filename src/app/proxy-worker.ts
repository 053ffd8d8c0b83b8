/** Composition root of a worker thread: a data path that does what the main thread says. */
import { parentPort, workerData } from 'node:worker_threads';
import { relayLogger, sharedLogLevels } from '#observe/log.ts';
import { createLogFiles } from '#observe/log-files.ts';
import { Metrics } from '#observe/metrics.ts';
import type { Announcement } from '#observe/metrics-announcement.ts';
import { createSecretStore } from '#proxy/apply/secret-store.ts';
import { SharedCounts } from '#proxy/cluster/limited-count.ts';
import { BucketMemory } from '#proxy/filter/bucket-memory.ts';
import { RuntimeSnapshot } from '#proxy/runtime/snapshot.ts';
import type { FromWorker } from '#proxy/threads/message.ts';
import { serveMain } from '#proxy/threads/worker.ts';
import { connectionLimits } from './connection-limits.ts';
import { surviveExceptions } from './exception-guard.ts';
import { trimHeap } from './heap-trim.ts';
import { watchMemory } from './memory-watch.ts';
import { createThreadDataPath } from './thread-data-path.ts';
import type { ProxyWorkerData } from './worker-thread.ts';

const data = workerData as ProxyWorkerData;
const { thread, figures, logLevel, logFlushIntervalMs, nodeCluster, nodeId } = data;
const port = parentPort!;

const metrics = new Metrics(announceTo());
const say = (message: FromWorker): void => port.postMessage(message);
const log = relayLogger(sharedLogLevels(logLevel), (level, event, fields) =>
  say({ kind: 'log', level, event, fields }),
);
surviveExceptions(metrics, log);
trimHeap();
const logFiles = createLogFiles(logFlushIntervalMs);
const secrets = createSecretStore();
const runtime = new RuntimeSnapshot(data.runtime);
const limits = connectionLimits(data.connections, runtime, new SharedCounts(data.connectionCount, thread));
let counts: SharedArrayBuffer | undefined;
let hosts: SharedArrayBuffer | undefined;

const dataPath = createThreadDataPath({
  runtime,
  metrics,
  secrets,
  log,
  logFiles,
  overloadSettings: data.overload,
  nodeCluster,
  nodeId,
  home: data.home,
  drainTimeMs: data.drainTimeMs,
  upstreamBindConfig: data.upstreamBindConfig,
  connectionLimits: limits,
  overload: watchMemory(data.overload, metrics, log),
  buckets: new BucketMemory(() => data.buckets.memory, performance.timeOrigin - data.buckets.originMs),
  thread,
  sharedHosts: () => hosts,
  tellThreads: (cluster, event) => say({ kind: 'hosts', cluster, event }),
  demandHost: (routes, host) => say({ kind: 'demand-host', routes, host }),
  outlierLogPath: data.outlierLogPath,
  sharedCounts: () => counts && new SharedCounts(counts, thread),
});

serveMain({
  port,
  secrets,
  dataPath,
  setRuntime: (entries) => runtime.replace(entries),
  holdCounts: (memory, ofHosts) => {
    counts = memory;
    hosts = ofHosts;
  },
  reopenLogs: () => logFiles.reopen(),
  flush: async () => {
    logFiles.flush();
    // They are written by the main thread.
    for (const stream of [process.stdout, process.stderr]) {
      await new Promise<void>((written) => stream.write('', () => written()));
    }
  },
});

/** In batches: a cluster has dozens of metrics, made at once. */
function announceTo(): (announcement: Announcement) => void {
  let batch: Announcement[] = [];
  const send = (): void => {
    figures.postMessage(batch);
    batch = [];
  };
  return (announcement) => {
    if (batch.push(announcement) === 1) queueMicrotask(send);
  };
}
