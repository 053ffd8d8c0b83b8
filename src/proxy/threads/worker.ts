/** A worker's side: does to its own data path what the main thread says, and answers. */
import type { MessagePort } from 'node:worker_threads';
import { fromBinary } from '@bufbuild/protobuf';
import type { Parsed } from '#core/problem.ts';
import { formatProblem } from '#core/problem.ts';
import { ClusterSchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import type { LocalDataPath, SecretStore, StagedListener } from '../contract.ts';
import type { Done, Notice, Task, ToWorker } from './message.ts';

export interface WorkerDeps {
  /** To the main thread. */
  readonly port: MessagePort;
  readonly dataPath: LocalDataPath;
  readonly secrets: SecretStore;
  /** Keeps the counts that belong to the resource installed next. */
  holdCounts(counts: SharedArrayBuffer): void;
  reopenLogs(): void;
  /** What is written is out, before the thread ends. */
  flush(): void;
}

export function serveMain(deps: WorkerDeps): void {
  const staged = new Map<number, StagedListener>();
  deps.port.on('message', (message: ToWorker) => {
    if (!('id' in message)) {
      hear(message, deps, staged);
      return;
    }
    const { id } = message;
    const answer = (done: Omit<Done, 'kind' | 'id'>): void =>
      deps.port.postMessage({ kind: 'done', id, ...done });
    perform(message, id, deps, staged).then(
      (result) => answer({ result }),
      (error: unknown) => answer({ error: error instanceof Error ? error.message : String(error) }),
    );
  });
  deps.port.postMessage({ kind: 'ready' });
}

async function perform(
  task: Task,
  id: number,
  deps: WorkerDeps,
  staged: Map<number, StagedListener>,
): Promise<unknown> {
  const { dataPath } = deps;
  switch (task.kind) {
    case 'cluster': {
      const prepared = good(dataPath.prepareCluster(fromBinary(ClusterSchema, task.bytes)));
      deps.holdCounts(task.counts);
      await prepared.install();
      return undefined;
    }
    case 'routes':
      await good(dataPath.prepareRoutes(fromBinary(RouteConfigurationSchema, task.bytes))).install();
      return undefined;
    case 'stage': {
      const prepared = good(dataPath.prepareListener(fromBinary(ListenerSchema, task.bytes)));
      deps.holdCounts(task.counts);
      const listener = await prepared.stage(task.ports);
      staged.set(id, listener);
      return listener.addresses;
    }
    case 'remove-listener':
      await dataPath.removeListener(task.name);
      return undefined;
    case 'drain':
      await dataPath.drain(task.drainTimeMs);
      return undefined;
    case 'close':
      await dataPath.close();
      deps.flush();
      return undefined;
    case 'listeners':
      return dataPath.listeners();
    case 'clusters':
      return dataPath.clusters();
  }
}

function hear(notice: Notice, deps: WorkerDeps, staged: Map<number, StagedListener>): void {
  const { dataPath } = deps;
  switch (notice.kind) {
    case 'settle': {
      const listener = staged.get(notice.staged);
      staged.delete(notice.staged);
      if (notice.commit) listener?.commit();
      else listener?.abandon();
      return;
    }
    case 'endpoints':
      dataPath.setEndpoints(fromBinary(ClusterLoadAssignmentSchema, notice.bytes));
      return;
    case 'secret':
      deps.secrets.set(notice.name, notice.material);
      return;
    case 'remove-cluster':
      dataPath.removeCluster(notice.name);
      return;
    case 'remove-routes':
      dataPath.removeRoutes(notice.name);
      return;
    case 'unhealthy':
      dataPath.setUnhealthy(notice.unhealthy);
      return;
    case 'reopen-logs':
      deps.reopenLogs();
      return;
  }
}

/** The main thread found no fault with it: what is wrong here is so by what only this thread sees. */
function good<T>(parsed: Parsed<T>): T {
  if (parsed.ok) return parsed.value;
  throw new Error(parsed.problems.map(formatProblem).join('\n'));
}
