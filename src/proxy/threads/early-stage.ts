/** A cluster that all workers make ready, and that is put in force, or given up, some time later. */
import type { Task } from './message.ts';
import { gone, type WorkerLink } from './worker-link.ts';
import type { WorkerPool } from './worker-pool.ts';

type ClusterTask = Extract<Task, { kind: 'cluster' }>;

export class EarlyStage {
  readonly task: ClusterTask;
  readonly #pool: WorkerPool;
  /** Numbers of the tasks that made it ready. */
  readonly #staged = new Map<WorkerLink, number>();
  #settled = false;

  constructor(pool: WorkerPool, task: ClusterTask) {
    this.#pool = pool;
    this.task = task;
  }

  /** In every worker that has not done it. Rejects with the first error. */
  async stage(): Promise<void> {
    await Promise.all(
      this.#pool.serving.map(async (worker) => {
        if (this.#settled || this.#staged.has(worker)) return;
        const answer = worker.ask(this.task);
        const number = worker.lastTask;
        if ((await answer) === gone) return;
        if (this.#settled) worker.tell({ kind: 'settle', staged: number, commit: false });
        else this.#staged.set(worker, number);
      }),
    );
  }

  /** Resolves when it can serve in every worker. */
  async warm(): Promise<void> {
    const asked = [...this.#staged].map(([worker, staged]) => worker.ask({ kind: 'warm', staged }));
    await Promise.all(asked);
  }

  settle(commit: boolean): void {
    if (this.#settled) return;
    this.#settled = true;
    for (const [worker, staged] of this.#staged) worker.tell({ kind: 'settle', staged, commit });
  }
}
