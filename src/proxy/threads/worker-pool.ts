/** The worker threads of a process: all are told and asked alike, and one that dies is replaced. */
import type { MessagePort, Worker } from 'node:worker_threads';
import type { Logger } from '#observe/log.ts';
import type { Metrics } from '#observe/metrics.ts';
import type { Counter } from '#observe/metrics-contract.ts';
import type { HostEvent } from '../cluster/endpoint-health.ts';
import type { Notice, Results, Task } from './message.ts';
import { gone, WorkerLink } from './worker-link.ts';

export interface WorkerPoolOptions {
  readonly threads: number;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** Starts the thread of that number. @param figures goes along in its data. */
  start(index: number, figures: MessagePort): Worker;
  /** The thread of that number is no more. */
  onDied(index: number): void;
  /** A request waits for a virtual host. */
  demandHost(routes: string, host: string): void;
  /** Brings one that took the place of another to what is in force. Runs in order with other work. */
  restore(worker: WorkerLink): Promise<void>;
}

/** A worker that dies is replaced after this; each time it dies at once, after twice as long. */
const RESPAWN_MS = 100;
const MAX_RESPAWN_MS = 10_000;
/** How long workers may take to end what they have, before they are ended. */
const CLOSE_MS = 2000;

export class WorkerPool {
  /** Resolves when every thread serves or has died once; rejects where none is left. */
  readonly ready: Promise<void>;
  readonly #options: WorkerPoolOptions;
  /** By number; undefined while there is none that serves. */
  readonly #serving: (WorkerLink | undefined)[];
  readonly #all = new Set<WorkerLink>();
  readonly #died: Counter;
  readonly #respawns = new Set<NodeJS.Timeout>();
  /** What puts things in force does so one after the other. */
  #last: Promise<unknown>;
  #closed = false;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    const server = options.metrics.scope({ path: 'server', family: 'server', labels: {} });
    this.#died = server.counter('worker_died');
    this.#serving = new Array(options.threads).fill(undefined);
    const started = Array.from({ length: options.threads }, async (_, index) => {
      const worker = this.#start(index, RESPAWN_MS);
      await worker.ready;
      this.#serving[index] = worker;
    });
    this.ready = Promise.allSettled(started).then((outcomes) => {
      const failed = outcomes.find((outcome) => outcome.status === 'rejected');
      if (this.serving.length === 0 && failed !== undefined) throw failed.reason;
    });
    this.#last = this.ready.catch(() => {});
  }

  /** By number, those that are there now. */
  get serving(): readonly WorkerLink[] {
    return this.#serving.filter((worker) => worker !== undefined);
  }

  /** Runs `work` when what was begun before is through. */
  inOrder<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }

  /** Rejects with the first error once all have answered; a thread that dies meanwhile is none. */
  async askAll<K extends Task['kind']>(task: Extract<Task, { kind: K }>): Promise<Results[K][]> {
    const answers = await Promise.allSettled(this.serving.map((worker) => worker.ask<K>(task)));
    const failed = answers.find((answer) => answer.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return answers.flatMap((answer) =>
      answer.status === 'fulfilled' && answer.value !== gone ? [answer.value] : [],
    );
  }

  tellAll(notice: Notice): void {
    for (const worker of this.serving) worker.tell(notice);
  }

  /** The first thread judges what others found; all follow what it decides. */
  #relay(from: number, cluster: string, event: HostEvent): void {
    const notice: Notice = { kind: 'hosts', cluster, event };
    for (const [index, worker] of this.#serving.entries()) {
      if (index !== from && (event === 'health' || index === 0)) worker?.tell(notice);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#respawns) clearTimeout(timer);
    let late: NodeJS.Timeout | undefined;
    const waited = new Promise<void>((resolve) => {
      late = setTimeout(resolve, CLOSE_MS);
    });
    await Promise.race([this.askAll({ kind: 'close' }).catch(() => {}), waited]);
    clearTimeout(late);
    await Promise.all([...this.#all].map((worker) => worker.end()));
  }

  #start(index: number, respawnMs: number): WorkerLink {
    const { metrics, log, start } = this.#options;
    const startedMs = performance.now();
    const worker: WorkerLink = new WorkerLink({
      metrics,
      log: log.child({ worker: index }),
      start: (figures) => start(index, figures),
      onHosts: (cluster, event) => this.#relay(index, cluster, event),
      onDemand: (routes, host) => this.#options.demandHost(routes, host),
      onDied: (error) => {
        this.#all.delete(worker);
        if (this.#serving[index] === worker) this.#serving[index] = undefined;
        this.#options.onDied(index);
        if (this.#closed) return;
        this.#died.inc();
        log.error('threads.worker-died', { worker: index, error });
        const livedLong = performance.now() - startedMs > MAX_RESPAWN_MS;
        this.#respawn(index, livedLong ? RESPAWN_MS : Math.min(respawnMs * 2, MAX_RESPAWN_MS));
      },
    });
    this.#all.add(worker);
    return worker;
  }

  #respawn(index: number, afterMs: number): void {
    const timer = setTimeout(() => {
      this.#respawns.delete(timer);
      const worker = this.#start(index, afterMs);
      void this.inOrder(async () => {
        await worker.ready;
        // From now on it hears what all hear, after what it is told of the past.
        this.#serving[index] = worker;
        await this.#options.restore(worker);
        this.#options.log.info('threads.worker-replaced', { worker: index });
      }).catch(() => {});
    }, afterMs);
    this.#respawns.add(timer);
  }
}
