/** The data path of a process: on the main thread, or on several threads where that is asked for. */
import { systemClock } from '#core/clock.ts';
import { systemRandom } from '#core/random.ts';
import type { Logger } from '#observe/log.ts';
import { createLogFiles, type LogFiles } from '#observe/log-files.ts';
import type { Metrics } from '#observe/metrics.ts';
import type { DataPath, SecretStore } from '#proxy/contract.ts';
import { createDataPath } from '#proxy/data-path.ts';
import { filters } from '#proxy/filter/catalogue.ts';
import { ThreadedDataPath } from '#proxy/threads/threaded-data-path.ts';
import { dataReader, localAddress, resolveHost } from './operating-system.ts';
import { startWorkerThread } from './worker-thread.ts';

/** More than one thread. */
export interface ServingThreads {
  readonly count: number;
  /** Where all of them read the level of the log. */
  readonly logLevel: SharedArrayBuffer;
}

export interface ServingOptions {
  /** Absent: the main thread serves. */
  readonly threads?: ServingThreads | undefined;
  readonly metrics: Metrics;
  readonly secrets: SecretStore;
  readonly log: Logger;
  readonly nodeCluster: string;
  readonly logFlushIntervalMs: number | undefined;
}

export interface Serving {
  readonly dataPath: DataPath;
  /** Of this thread. */
  readonly logFiles: LogFiles;
  /** On every thread. */
  reopenLogs(): void;
}

export function createServing(options: ServingOptions): Serving {
  const { threads, metrics, secrets, log, nodeCluster, logFlushIntervalMs } = options;
  const logFiles = createLogFiles(logFlushIntervalMs);
  const local = createDataPath({
    clock: systemClock,
    random: systemRandom(),
    metrics,
    secrets,
    log,
    filters,
    openLog: (path) => logFiles.open(path),
    resolve: resolveHost,
    localAddress: localAddress(),
    nodeCluster,
    ...dataReader,
  });
  if (threads === undefined) return { dataPath: local, logFiles, reopenLogs: () => logFiles.reopen() };
  const { count, logLevel } = threads;
  const dataPath = new ThreadedDataPath({
    threads: count,
    judge: local,
    metrics,
    secrets,
    log,
    start: (index, figures) =>
      startWorkerThread({ thread: { index, count }, figures, logLevel, logFlushIntervalMs, nodeCluster }),
  });
  const reopenLogs = (): void => {
    logFiles.reopen();
    dataPath.reopenLogs();
  };
  return { dataPath, logFiles, reopenLogs };
}
