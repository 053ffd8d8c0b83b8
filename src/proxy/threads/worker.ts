/** A worker's side: does to its own data path what the main thread says, and answers. */
import type { MessagePort } from 'node:worker_threads';
import { fromBinary } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import type { Parsed } from '#core/problem.ts';
import { formatProblem } from '#core/problem.ts';
import { inSlices, oneStep, type Steps } from '#core/time-slice.ts';
import { ClusterSchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import { decodeSteps } from '#xds/gradual-decoder.ts';
import { forgetUnpacked } from '#xds/registry.ts';
import { examine } from '#xds/unknown-fields.ts';
import type { LocalDataPath, LocalPrepared, PreparedListener, SecretStore, Staged } from '../contract.ts';
import type { RuntimeEntries } from '../runtime/entry.ts';
import type { Done, ListedCluster, Notice, Task, ToWorker } from './message.ts';
import { clusterPages } from './status.ts';

export interface WorkerDeps {
  /** To the main thread. */
  readonly port: MessagePort;
  readonly dataPath: LocalDataPath;
  readonly secrets: SecretStore;
  /** Keeps the counts that belong to the resource installed next. */
  holdCounts(counts: SharedArrayBuffer, hosts?: SharedArrayBuffer): void;
  setRuntime(entries: RuntimeEntries): void;
  reopenLogs(): void;
  /** Resolves when what was written is out: the thread ends then. */
  flush(): Promise<void>;
}

export function serveMain(deps: WorkerDeps): void {
  const worker = new ServingWorker(deps);
  deps.port.on('message', (message: ToWorker) => {
    if (!('id' in message)) {
      worker.hear(message);
      return;
    }
    const { id } = message;
    const answer = (done: Omit<Done, 'kind' | 'id'>): void =>
      deps.port.postMessage({ kind: 'done', id, ...done });
    worker.perform(message, id).then(
      (result) => answer({ result }),
      (error: unknown) => answer({ error: error instanceof Error ? error.message : String(error) }),
    );
  });
  deps.port.postMessage({ kind: 'ready' });
}

class ServingWorker {
  readonly #deps: WorkerDeps;
  readonly #staged = new Map<number, Staged>();
  readonly #listings = new Map<number, Iterator<ListedCluster[], void, undefined>>();
  /** What is read in slices is read in the order it was said. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(deps: WorkerDeps) {
    this.#deps = deps;
  }

  async perform(task: Task, id: number): Promise<unknown> {
    const { dataPath } = this.#deps;
    switch (task.kind) {
      case 'cluster': {
        const prepared = await this.#inOrder(prepareCluster(dataPath, task.bytes));
        this.#deps.holdCounts(task.counts, task.hosts);
        this.#staged.set(id, await prepared.stage());
        return undefined;
      }
      case 'routes': {
        const prepared = await this.#inOrder(prepareRoutes(dataPath, task.bytes));
        this.#staged.set(id, await prepared.stage());
        return undefined;
      }
      case 'listener': {
        const prepared = await this.#inOrder(prepareListener(dataPath, task.bytes));
        this.#deps.holdCounts(task.counts);
        const listener = await prepared.stage(task.ports).catch((error: unknown) => {
          prepared.abandon?.();
          throw error;
        });
        this.#staged.set(id, listener);
        return listener.addresses;
      }
      case 'warm':
        await this.#staged.get(task.staged)?.warm?.();
        return undefined;
      case 'remove-listener':
        await dataPath.removeListener(task.name);
        return undefined;
      case 'stop-listeners':
        await dataPath.stopListeners(task);
        return undefined;
      case 'drain':
        await dataPath.drain(task.drainTimeMs);
        return undefined;
      case 'close':
        await dataPath.close();
        await this.#deps.flush();
        return undefined;
      case 'listeners':
        return dataPath.listeners();
      case 'open-sockets':
        return dataPath.openSockets();
      case 'clusters':
        return this.#listed(task.listing);
    }
  }

  #listed(listing: number): ListedCluster[] {
    const pages = this.#listings.get(listing) ?? clusterPages(this.#deps.dataPath.clusters());
    this.#listings.set(listing, pages);
    const page = pages.next();
    if (page.done !== true) return page.value;
    this.#listings.delete(listing);
    return [];
  }

  hear(notice: Notice): void {
    const { dataPath, secrets, reopenLogs } = this.#deps;
    switch (notice.kind) {
      case 'settle': {
        const staged = this.#staged.get(notice.staged);
        this.#staged.delete(notice.staged);
        if (notice.commit) void staged?.commit();
        else staged?.abandon();
        return;
      }
      case 'endpoints':
        void this.#inOrder(setEndpoints(dataPath, notice.bytes));
        return;
      case 'forget-endpoints':
        void this.#inOrder(oneStep(() => dataPath.forgetEndpoints(notice.name)));
        return;
      case 'extension': {
        const { key, bytes } = notice;
        dataPath.setExtension(key, bytes && fromBinary(AnySchema, bytes));
        return;
      }
      case 'answer-hosts':
        dataPath.answerHosts(notice.routes, notice.hosts);
        return;
      case 'forget-extension':
        dataPath.forgetExtension(notice.key);
        return;
      case 'secret':
        secrets.set(notice.name, notice.material);
        return;
      case 'remove-cluster':
        void this.#inOrder(dataPath.removeCluster(notice.name));
        return;
      case 'remove-routes':
        void this.#inOrder(oneStep(() => dataPath.removeRoutes(notice.name)));
        return;
      case 'unhealthy':
        dataPath.setUnhealthy(notice.unhealthy);
        return;
      case 'hosts':
        dataPath.hearThreads(notice.cluster, notice.event);
        return;
      case 'runtime':
        this.#deps.setRuntime(notice.entries);
        return;
      case 'leave-paths':
        dataPath.leavePaths();
        return;
      case 'reopen-logs':
        reopenLogs();
        return;
    }
  }

  #inOrder<T>(steps: Steps<T>): Promise<T> {
    const done = this.#last.then(() => inSlices(steps));
    this.#last = done.catch(() => {});
    return done;
  }
}

function* prepareCluster(dataPath: LocalDataPath, bytes: Uint8Array): Steps<LocalPrepared> {
  return good(yield* dataPath.prepareCluster(yield* decodeSteps(ClusterSchema, bytes)));
}

function* prepareRoutes(dataPath: LocalDataPath, bytes: Uint8Array): Steps<LocalPrepared> {
  return good(yield* dataPath.prepareRoutes(yield* decodeSteps(RouteConfigurationSchema, bytes)));
}

function* prepareListener(dataPath: LocalDataPath, bytes: Uint8Array): Steps<PreparedListener> {
  const listener = yield* decodeSteps(ListenerSchema, bytes);
  const { anys } = yield* examine(ListenerSchema, listener);
  const prepared = good(yield* dataPath.prepareListener(listener));
  for (const any of anys) forgetUnpacked(any);
  return prepared;
}

function* setEndpoints(dataPath: LocalDataPath, bytes: Uint8Array): Steps<void> {
  yield* dataPath.setEndpoints(yield* decodeSteps(ClusterLoadAssignmentSchema, bytes));
}

/** The main thread found no fault with it: what is wrong here is so by what only this thread sees. */
function good<T>(parsed: Parsed<T>): T {
  if (parsed.ok) return parsed.value;
  throw new Error(parsed.problems.map(formatProblem).join('\n'));
}
