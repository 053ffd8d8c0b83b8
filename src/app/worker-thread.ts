/** Starts a thread of the data path; `proxy-worker.ts` is what runs in it. */

import { type MessagePort, Worker } from 'node:worker_threads';
import type { Home } from '#proxy/data-path-deps.ts';
import type { OverloadSettings } from '#proxy/overload/settings.ts';
import type { RuntimeEntries } from '#proxy/runtime/entry.ts';
import type { ServingThread } from '#proxy/threads/serving-thread.ts';
import { processTicketSecret } from '#proxy/tls/ticket-keys.ts';
import type { BindConfig } from '#xds/gen/envoy/config/core/v3/address_pb.js';
import type { MaxConnections } from './connection-limits.ts';

/** What a worker is given at its start. */
export interface ProxyWorkerData {
  readonly thread: ServingThread;
  /** For announcements of its metrics. */
  readonly figures: MessagePort;
  readonly logLevel: SharedArrayBuffer;
  readonly runtime: RuntimeEntries;
  readonly logFlushIntervalMs: number | undefined;
  readonly nodeCluster: string;
  readonly nodeId: string;
  readonly home: Home;
  readonly drainTimeMs: number;
  readonly upstreamBindConfig: BindConfig | undefined;
  readonly outlierLogPath: string | undefined;
  readonly connections: MaxConnections;
  /** Where all threads count their connections. */
  readonly connectionCount: SharedArrayBuffer;
  /** Token buckets of filters, and when the main thread began, in milliseconds since 1970. */
  readonly buckets: { readonly memory: SharedArrayBuffer; readonly originMs: number };
  readonly overload: OverloadSettings | undefined;
}

/** In `dist/` a bundle of its own, without what only the main thread needs. */
function workerFile(): URL {
  const built = 'heddleUrl' in globalThis;
  return new URL(built ? './heddle-worker.cjs' : './proxy-worker.ts', import.meta.url);
}

export function startWorkerThread(data: ProxyWorkerData): Worker {
  const thread = { ...data.thread, ticketSecret: processTicketSecret() };
  return new Worker(workerFile(), {
    name: `worker_${thread.index}`,
    workerData: { ...data, thread },
    transferList: [data.figures],
    // Those of the process are for its main thread.
    execArgv: [],
  });
}
