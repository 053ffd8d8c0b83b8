/** A data path of several threads in this process, whose workers a test can end. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { startWorkerThread } from '#app/worker-thread.ts';
import { systemClock } from '#core/clock.ts';
import { formatProblem, type Parsed } from '#core/problem.ts';
import { systemRandom } from '#core/random.ts';
import { atOnce } from '#core/time-slice.ts';
import { createLogger, LOG_LEVEL_BYTES } from '#observe/log.ts';
import { Metrics } from '#observe/metrics.ts';
import { createSecretStore } from '#proxy/apply/secret-store.ts';
import { loadBootstrap } from '#proxy/bootstrap/load.ts';
import { SharedCounts } from '#proxy/cluster/limited-count.ts';
import type { ListenerStatus, Prepared, SecretStore } from '#proxy/contract.ts';
import { createDataPath } from '#proxy/data-path.ts';
import { BucketMemory } from '#proxy/filter/bucket-memory.ts';
import { filters } from '#proxy/filter/catalogue.ts';
import { ThreadedDataPath } from '#proxy/threads/threaded-data-path.ts';

export interface RunningThreads {
  readonly dataPath: ThreadedDataPath;
  readonly metrics: Metrics;
  readonly secrets: SecretStore;
  /** The last one that was started for each number. */
  readonly workers: readonly Worker[];
  /** Lines of the log. */
  readonly log: readonly string[];
  listener(name: string): Promise<ListenerStatus | undefined>;
  port(listener: string): Promise<number>;
  /** Value of a counter or gauge by Envoy's name. */
  stat(name: string): number;
  /** Prepares and installs the static resources of a bootstrap. */
  install(yaml: string): Promise<void>;
}

export async function startThreads(
  t: Pick<TestContext, 'after'>,
  yaml: string,
  count = 2,
  maxConnections = 10_000,
): Promise<RunningThreads> {
  const metrics = new Metrics();
  const secrets = createSecretStore();
  const lines: string[] = [];
  const log = createLogger({ level: 'info', format: 'text', write: (line) => lines.push(line) });
  const workers: Worker[] = [];
  const nodeCluster = '';
  const nodeId = '';
  const files = { readFile: () => assert.fail('no files here'), environment: () => undefined };
  const bucketMemory = new SharedArrayBuffer(BucketMemory.bytes(64));
  const judge = createDataPath({
    buckets: new BucketMemory(() => bucketMemory, 0),
    clock: systemClock,
    random: systemRandom(),
    metrics,
    secrets,
    log,
    filters,
    openLog: () => assert.fail('the main thread serves nothing'),
    lookUp: () => assert.fail('the main thread serves nothing'),
    localAddress: '',
    nodeCluster,
    nodeId,
    ...files,
  });
  const connectionCount = SharedCounts.memory(1, count);
  const dataPath = new ThreadedDataPath({
    threads: count,
    connectionCount,
    judge,
    secrets,
    metrics,
    log,
    start(index, figures): Worker {
      const worker = startWorkerThread({
        thread: { index, count },
        figures,
        logLevel: new SharedArrayBuffer(LOG_LEVEL_BYTES),
        logFlushIntervalMs: 10,
        nodeCluster,
        nodeId,
        home: { cluster: '' },
        drainTimeMs: 600_000,
        connections: { limit: maxConnections, isFixed: true },
        runtime: new Map(),
        connectionCount,
        buckets: { memory: bucketMemory, originMs: performance.timeOrigin },
        overload: undefined,
        upstreamBindConfig: undefined,
        outlierLogPath: undefined,
      });
      workers[index] = worker;
      return worker;
    },
  });
  t.after(() => dataPath.close());
  const listener = async (name: string): Promise<ListenerStatus | undefined> =>
    (await dataPath.listeners()).find((status) => status.name === name && status.state === 'active');
  const running: RunningThreads = {
    dataPath,
    metrics,
    secrets,
    workers,
    log: lines,
    listener,
    port: async (name) => Number((await listener(name))?.addresses[0]?.split(':').at(-1)),
    stat(name): number {
      const found = metrics.stats().find((stat) => stat.name === name);
      return found !== undefined && found.kind !== 'histogram' ? found.value : 0;
    },
    async install(text): Promise<void> {
      const loaded = loadBootstrap([{ text, name: 'test.yaml' }], { allowUnknownFields: false });
      const { clusters = [], listeners = [] } = good(loaded).bootstrap.staticResources ?? {};
      for (const cluster of clusters)
        await good<Prepared>(atOnce(dataPath.prepareCluster(cluster))).install();
      for (const message of listeners)
        await good<Prepared>(atOnce(dataPath.prepareListener(message))).install();
    },
  };
  await running.install(yaml);
  return running;
}

function good<T>(parsed: Parsed<T>): T {
  assert.ok(parsed.ok, parsed.problems.map(formatProblem).join('\n'));
  return parsed.value;
}
