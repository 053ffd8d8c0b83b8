/** The main thread's end of one worker: tasks and their answers, its figures, its log, its death. */
import type { MessagePort, Worker } from 'node:worker_threads';
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import type { Logger } from '#observe/log.ts';
import type { Metrics } from '#observe/metrics.ts';
import type { Announcement } from '#observe/metrics-announcement.ts';
import type { HostEvent } from '../cluster/endpoint-health.ts';
import type { FromWorker, Notice, Results, Task } from './message.ts';

export interface WorkerLinkOptions {
  readonly metrics: Metrics;
  readonly log: Logger;
  /** @param figures is for {@link Announcement}s in batches; it goes along in the worker's data. */
  start(figures: MessagePort): Worker;
  /** It is gone, and was not told to go. */
  onDied(error: Error | undefined): void;
  /** It tells the other threads of a cluster. */
  onHosts(cluster: string, event: HostEvent): void;
  /** A request of its waits for a virtual host. */
  onDemand(routes: string, host: string): void;
}

type Answer = { readonly result: unknown } | { readonly error: string } | 'gone';

/** Given back for a task whose worker died: the next one is told all there is to know. */
export const gone: unique symbol = Symbol('gone');

export class WorkerLink {
  /** Resolves when it takes tasks; rejects where it died before. */
  readonly ready: Promise<void>;
  /** The number of the last task, by which a notice can speak of it. */
  lastTask = 0;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  readonly #log: Logger;
  readonly #exited: Promise<void>;
  #told = false;

  constructor(options: WorkerLinkOptions) {
    const { metrics, log } = options;
    this.#log = log;
    const { port1: figures, port2 } = new MessageChannel();
    const shown = metrics.showThread(() => takeAll());
    const take = (batch: readonly Announcement[]): void => {
      for (const one of batch) shown.take(one);
    };
    const takeAll = (): void => {
      for (let next = receiveMessageOnPort(figures); next; next = receiveMessageOnPort(figures))
        take(next.message);
    };
    this.#worker = options.start(port2);
    figures.on('message', take);
    figures.unref();
    const ready = Promise.withResolvers<void>();
    this.ready = ready.promise;
    ready.promise.catch(() => {});
    let error: Error | undefined;
    this.#worker.on('message', (message: FromWorker) => {
      if (message.kind === 'ready') ready.resolve();
      else if (message.kind === 'hosts') options.onHosts(message.cluster, message.event);
      else if (message.kind === 'demand-host') options.onDemand(message.routes, message.host);
      else this.#hear(message);
    });
    this.#worker.on('error', (reason) => {
      error = reason instanceof Error ? reason : new Error(String(reason));
    });
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', (code) => {
        takeAll();
        figures.close();
        shown.end();
        ready.reject(error ?? new Error(`a worker thread ended with ${code}`));
        for (const answer of this.#waiting.values()) answer('gone');
        this.#waiting.clear();
        resolve();
        if (!this.#told) options.onDied(error);
      });
    });
  }

  /** Rejects with the worker's error. */
  async ask<K extends Task['kind']>(task: Extract<Task, { kind: K }>): Promise<Results[K] | typeof gone> {
    const id = ++this.lastTask;
    const answer = await new Promise<Answer>((resolve) => {
      this.#waiting.set(id, resolve);
      this.#worker.postMessage({ ...task, id });
    });
    if (answer === 'gone') return gone;
    if ('error' in answer) throw new Error(answer.error);
    return answer.result as Results[K];
  }

  tell(notice: Notice): void {
    this.#worker.postMessage(notice);
  }

  /** Resolves when the thread is no more. */
  async end(): Promise<void> {
    this.#told = true;
    await this.#worker.terminate();
    await this.#exited;
  }

  #hear(message: Exclude<FromWorker, { kind: 'ready' | 'hosts' | 'demand-host' }>): void {
    if (message.kind === 'log') {
      const { level, event, fields } = message;
      if (level !== 'off') this.#log[level](event, fields);
      return;
    }
    const { id, error, result } = message;
    this.#waiting.get(id)?.(error === undefined ? { result } : { error });
    this.#waiting.delete(id);
  }
}
