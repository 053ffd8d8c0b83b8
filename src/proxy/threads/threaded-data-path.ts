/**
 * A data path of several threads: messages are judged here, by a data path that never serves, and then
 * take effect in every worker, or in none. What is in force is known here too, so that a worker that
 * died is replaced by one with the same configuration.
 */
import type { MessagePort, Worker } from 'node:worker_threads';
import { toBinary } from '@bufbuild/protobuf';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';
import type { Parsed, Problem } from '#core/problem.ts';
import type { Steps } from '#core/time-slice.ts';
import type { Logger } from '#observe/log.ts';
import type { Metrics } from '#observe/metrics.ts';
import { type Cluster, ClusterSchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import {
  type ClusterLoadAssignment,
  ClusterLoadAssignmentSchema,
} from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { type Listener, ListenerSchema } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import {
  type RouteConfiguration,
  RouteConfigurationSchema,
} from '#xds/gen/envoy/config/route/v3/route_pb.js';
import { readAssignment } from '../cluster/assignment.ts';
import { CIRCUIT_COUNTS } from '../cluster/circuit-breaker.ts';
import { HostCells } from '../cluster/host-cells.ts';
import { SharedCounts } from '../cluster/limited-count.ts';
import { sharesHosts } from '../cluster/settings.ts';
import type {
  ClusterStatus,
  DataPath,
  ListenerStatus,
  ListenerStop,
  LocalDataPath,
  OpenSocket,
  Prepared,
  SecretStore,
} from '../contract.ts';
import { Findings } from '../findings.ts';
import type { RuntimeEntries } from '../runtime/entry.ts';
import { EarlyStage } from './early-stage.ts';
import type { ListedCluster, Results, Task } from './message.ts';
import { sumClusters, sumListeners } from './status.ts';
import { gone, type WorkerLink } from './worker-link.ts';
import { WorkerPool } from './worker-pool.ts';

export interface ThreadedOptions {
  readonly threads: number;
  /** Where they count their connections together. */
  readonly connectionCount: SharedArrayBuffer;
  /** Judges messages, and never serves. */
  readonly judge: LocalDataPath;
  readonly secrets: SecretStore;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** As `DataPathDeps` has it. */
  demandHost?(routes: string, host: string): void;
  /** Starts the thread of that number. @param figures goes along in its data. */
  start(index: number, figures: MessagePort): Worker;
}

/** Messages are kept as bytes, as they are sent. */
interface ActiveCluster {
  readonly bytes: Uint8Array;
  readonly counts: SharedArrayBuffer;
  readonly hosts: SharedArrayBuffer | undefined;
}

interface ActiveListener {
  readonly bytes: Uint8Array;
  readonly counts: SharedArrayBuffer;
  /** Of each address, as bound; 0 where it has none. */
  readonly ports: readonly number[];
}

type Staging = 'cluster' | 'routes' | 'listener';

/** Has one worker make something ready. */
type Stage = <K extends Staging>(
  worker: WorkerLink,
  task: Extract<Task, { kind: K }>,
) => Promise<Results[K] | typeof gone>;

export class ThreadedDataPath implements DataPath {
  readonly #options: ThreadedOptions;
  readonly #pool: WorkerPool;
  readonly #clusters = new Map<string, ActiveCluster>();
  readonly #routes = new Map<string, Uint8Array>();
  readonly #endpoints = new Map<string, Uint8Array>();
  readonly #listeners = new Map<string, ActiveListener>();
  /** Undefined: removed by the server. */
  readonly #extensions = new Map<string, Uint8Array | undefined>();
  #unhealthy = false;
  #listings = 0;
  readonly #onSecret = (name: string): void => {
    const material = this.#options.secrets.get(name);
    if (material !== undefined) this.#pool.tellAll({ kind: 'secret', name, material });
  };

  constructor(options: ThreadedOptions) {
    this.#options = options;
    const { threads, metrics, log, secrets, start } = options;
    this.#pool = new WorkerPool({
      threads,
      metrics,
      log,
      start,
      onDied: (index) => this.#forgetCounts(index),
      demandHost: (routes, host) => options.demandHost?.(routes, host),
      restore: (worker) => this.#restore(worker),
    });
    secrets.on('change', this.#onSecret);
    void this.#pool.inOrder(async () => {
      for (const worker of this.#pool.serving) this.#tellAllSecrets(worker);
    });
  }

  *prepareCluster(cluster: Cluster): Steps<Parsed<Prepared>> {
    const judged = yield* this.#options.judge.prepareCluster(cluster);
    if (judged.ok && cluster.healthChecks.length > 0) return this.#checkedCluster(judged, cluster);
    return this.#prepared(judged, (name) => this.#installCluster(name, cluster));
  }

  *prepareRoutes(routes: RouteConfiguration): Steps<Parsed<Prepared>> {
    return this.#prepared(yield* this.#options.judge.prepareRoutes(routes), async (name) => {
      const bytes = toBinary(RouteConfigurationSchema, routes);
      await this.#together((stage) => stageAll(this.#pool.serving, { kind: 'routes', bytes }, stage));
      this.#routes.set(name, bytes);
    });
  }

  *prepareListener(listener: Listener): Steps<Parsed<Prepared>> {
    return this.#prepared(yield* this.#options.judge.prepareListener(listener), (name) =>
      this.#installListener(name, listener),
    );
  }

  *setEndpoints(assignment: ClusterLoadAssignment): Steps<readonly Problem[]> {
    const findings = new Findings();
    yield* readAssignment(assignment, '', findings);
    if (findings.failed) return findings.problems;
    const bytes = toBinary(ClusterLoadAssignmentSchema, assignment);
    this.#endpoints.set(assignment.clusterName, bytes);
    this.#pool.tellAll({ kind: 'endpoints', bytes });
    return findings.problems;
  }

  forgetEndpoints(name: string): void {
    this.#endpoints.delete(name);
    this.#pool.tellAll({ kind: 'forget-endpoints', name });
  }

  answerHosts(routes: string, hosts: readonly string[]): void {
    this.#pool.tellAll({ kind: 'answer-hosts', routes, hosts });
  }

  setExtension(key: string, config: Any | undefined): void {
    const bytes = config && toBinary(AnySchema, config);
    this.#extensions.set(key, bytes);
    this.#pool.tellAll({ kind: 'extension', key, bytes });
  }

  forgetExtension(key: string): void {
    this.#extensions.delete(key);
    this.#pool.tellAll({ kind: 'forget-extension', key });
  }

  *removeCluster(name: string): Steps<void> {
    this.#clusters.delete(name);
    this.#pool.tellAll({ kind: 'remove-cluster', name });
    yield;
  }

  removeRoutes(name: string): void {
    this.#routes.delete(name);
    this.#pool.tellAll({ kind: 'remove-routes', name });
  }

  async removeListener(name: string): Promise<void> {
    this.#listeners.delete(name);
    await this.#pool.askAll({ kind: 'remove-listener', name });
  }

  async stopListeners(stop: ListenerStop): Promise<void> {
    if (!stop.staysOpen)
      for (const name of stop.names ?? this.#listeners.keys()) this.#listeners.delete(name);
    await this.#pool.askAll({ kind: 'stop-listeners', ...stop });
  }

  async openSockets(): Promise<readonly OpenSocket[]> {
    return (await this.#pool.askAll({ kind: 'open-sockets' })).flat();
  }

  leavePaths(): void {
    this.#pool.tellAll({ kind: 'leave-paths' });
  }

  async drain(drainTimeMs: number): Promise<void> {
    // A worker that takes another's place must not open them again.
    this.#listeners.clear();
    await this.#pool.askAll({ kind: 'drain', drainTimeMs });
  }

  setUnhealthy(unhealthy: boolean): void {
    this.#unhealthy = unhealthy;
    this.#pool.tellAll({ kind: 'unhealthy', unhealthy });
  }

  async close(): Promise<void> {
    this.#options.secrets.off('change', this.#onSecret);
    await this.#pool.close();
    await this.#options.judge.close();
  }

  async listeners(): Promise<readonly ListenerStatus[]> {
    return sumListeners(await this.#pool.askAll({ kind: 'listeners' }));
  }

  async *clusters(): AsyncGenerator<ClusterStatus, void, undefined> {
    const listing = ++this.#listings;
    const threads = this.#pool.serving.map(async (worker) => {
      const listed: ListedCluster[] = [];
      for (;;) {
        const page = await worker.ask({ kind: 'clusters', listing });
        if (page === gone || page.length === 0) return listed;
        listed.push(...page);
      }
    });
    yield* sumClusters(await Promise.all(threads));
  }

  setRuntime(entries: RuntimeEntries): void {
    this.#pool.tellAll({ kind: 'runtime', entries });
  }

  reopenLogs(): void {
    this.#pool.tellAll({ kind: 'reopen-logs' });
  }

  #prepared(judged: Parsed<Prepared>, install: (name: string) => Promise<void>): Parsed<Prepared> {
    if (!judged.ok) return judged;
    const { name, dependencies } = judged.value;
    // Each worker makes its own.
    judged.value.abandon?.();
    const inOrder = async (): Promise<void> => {
      await this.#pool.ready;
      await this.#pool.inOrder(() => install(name));
    };
    return { ok: true, value: { name, dependencies, install: inOrder }, problems: judged.problems };
  }

  /** Is made ready long before it is put in force. */
  #checkedCluster(judged: Parsed<Prepared> & { ok: true }, message: Cluster): Parsed<Prepared> {
    const { name, dependencies } = judged.value;
    const early = new EarlyStage(this.#pool, clusterTask(this.#newCluster(message)));
    let isStaged = false;
    const stage = async (): Promise<void> => {
      await this.#pool.ready;
      if (!isStaged) await this.#pool.inOrder(() => early.stage());
      isStaged = true;
    };
    const prepared: Prepared = {
      ...{ name, dependencies },
      warm: async () => {
        await stage();
        await early.warm();
      },
      install: async () => {
        await stage();
        await this.#pool.inOrder(async () => {
          // Threads that took the place of others meanwhile.
          await early.stage();
          early.settle(true);
          this.#clusters.set(name, early.task);
        });
      },
      abandon: () => early.settle(false),
    };
    return { ok: true, value: prepared, problems: judged.problems };
  }

  #newCluster(message: Cluster): ActiveCluster {
    return {
      bytes: toBinary(ClusterSchema, message),
      counts: SharedCounts.memory(CIRCUIT_COUNTS, this.#options.threads),
      hosts: sharesHosts(message) ? HostCells.memory(this.#options.threads) : undefined,
    };
  }

  async #installCluster(name: string, message: Cluster): Promise<void> {
    const cluster = this.#newCluster(message);
    await this.#together((stage) => stageAll(this.#pool.serving, clusterTask(cluster), stage));
    this.#clusters.set(name, cluster);
  }

  /** The first worker takes its ports, the others join it there. */
  async #installListener(name: string, message: Listener): Promise<void> {
    const bytes = toBinary(ListenerSchema, message);
    const counts = SharedCounts.memory(countsOf(message), this.#options.threads);
    const [first, ...others] = this.#pool.serving;
    if (first === undefined) throw new Error('no worker thread runs');
    let ports: readonly number[] = [];
    await this.#together(async (stage) => {
      const addresses = await stage(first, listenerTask({ bytes, counts, ports }));
      if (addresses !== gone) ports = addresses.map(portOf);
      await stageAll(others, listenerTask({ bytes, counts, ports }), stage);
    });
    this.#listeners.set(name, { bytes, counts, ports });
  }

  /** All workers put in force what `run` has them make ready, or none does. */
  async #together(run: (stage: Stage) => Promise<void>): Promise<void> {
    const staged: { readonly worker: WorkerLink; readonly task: number }[] = [];
    const settle = (commit: boolean): void => {
      for (const { worker, task } of staged) worker.tell({ kind: 'settle', staged: task, commit });
    };
    try {
      await run(async (worker, task) => {
        const answer = worker.ask(task);
        const number = worker.lastTask;
        const result = await answer;
        if (result !== gone) staged.push({ worker, task: number });
        return result;
      });
    } catch (error) {
      settle(false);
      throw error;
    }
    settle(true);
  }

  async #restore(worker: WorkerLink): Promise<void> {
    this.#tellAllSecrets(worker);
    if (this.#unhealthy) worker.tell({ kind: 'unhealthy', unhealthy: true });
    for (const bytes of this.#endpoints.values()) worker.tell({ kind: 'endpoints', bytes });
    for (const [key, bytes] of this.#extensions) worker.tell({ kind: 'extension', key, bytes });
    const attempt = async (
      name: string,
      task: Extract<Task, { kind: Staging }>,
      stays: () => boolean,
    ): Promise<void> => {
      const answer = worker.ask(task);
      const staged = worker.lastTask;
      await answer.catch((error: unknown) => {
        this.#options.log.error('threads.not-restored', { kind: task.kind, name, error });
      });
      // Removed meanwhile: the removal came before there was anything to remove.
      worker.tell({ kind: 'settle', staged, commit: stays() });
    };
    for (const [name, cluster] of this.#clusters) {
      await attempt(name, clusterTask(cluster), () => this.#clusters.get(name) === cluster);
    }
    for (const [name, bytes] of this.#routes) {
      await attempt(name, { kind: 'routes', bytes }, () => this.#routes.get(name) === bytes);
    }
    for (const [name, listener] of this.#listeners) {
      await attempt(name, listenerTask(listener), () => this.#listeners.get(name) === listener);
    }
  }

  #tellAllSecrets(worker: WorkerLink): void {
    const { secrets } = this.#options;
    for (const name of secrets.names()) {
      const material = secrets.get(name);
      if (material !== undefined) worker.tell({ kind: 'secret', name, material });
    }
  }

  /** What the thread held of limits that all share is free again. */
  #forgetCounts(index: number): void {
    const { threads: count, connectionCount } = this.#options;
    const thread = { index, count };
    new SharedCounts(connectionCount, thread).forgetThread();
    for (const { counts } of [...this.#clusters.values(), ...this.#listeners.values()]) {
      new SharedCounts(counts, thread).forgetThread();
    }
    for (const { hosts } of this.#clusters.values()) {
      if (hosts !== undefined) new HostCells(hosts, thread).forgetThread();
    }
  }
}

/** Fails with the first error, when all have answered: what is staged is known then. */
async function stageAll<K extends Staging>(
  workers: readonly WorkerLink[],
  task: Extract<Task, { kind: K }>,
  stage: Stage,
): Promise<void> {
  const outcomes = await Promise.allSettled(workers.map((worker) => stage<K>(worker, task)));
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

function clusterTask({ bytes, counts, hosts }: ActiveCluster): Extract<Task, { kind: 'cluster' }> {
  return { kind: 'cluster', bytes, counts, hosts };
}

function listenerTask({ bytes, counts, ports }: ActiveListener): Extract<Task, { kind: 'listener' }> {
  return { kind: 'listener', bytes, counts, ports };
}

/** One for the listener, one for each of its chains and one for the default chain. */
function countsOf({ filterChains }: Listener): number {
  return filterChains.length + 2;
}

/** Of `127.0.0.1:8080` or `[::1]:8080`; 0 of a path. */
function portOf(address: string): number {
  return Number(/:(\d+)$/.exec(address)?.[1] ?? 0);
}
