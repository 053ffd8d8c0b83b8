/**
 * The instances of a Job: as many at a time as it says, each run to its end, until enough have ended well or too many
 * have failed (Kubernetes, Job controller). A changed Job is another run, once the instances of the last one are gone.
 *
 * running -> completed | failed
 */
import type { MeshJob } from '#cli/mesh-state.ts';
import type { Instance } from './instance.ts';
import { restartPauseMs } from './supervised.ts';
import { sameProcesses, type WorkloadPlan } from './workload-plan.ts';

export interface JobGroupDeps {
  /** Makes the instance and starts it. @param index of an indexed Job */
  startInstance(plan: WorkloadPlan, index: number | undefined): Instance;
  /** Begins to stop it, or forgets one that has ended. */
  stopInstance(instance: Instance): void;
  /** Has `converge` called, unless all is about to stop. */
  wake(): void;
  /** Something a person should see. */
  tell(level: 'warning' | 'info', message: string): void;
}

interface Member {
  readonly instance: Instance;
  readonly index: number | undefined;
}

export class JobGroup {
  readonly #deps: JobGroupDeps;
  #plan: WorkloadPlan;
  /** Of this run, oldest first; those that have ended too. */
  #members: readonly Member[] = [];
  /** Of an earlier run. */
  #leaving: readonly Instance[] = [];
  #outcome: 'completed' | 'failed' | undefined;
  /** Failures after which there was a pause. */
  #pausedAfter = 0;
  #pause: NodeJS.Timeout | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #isLate = false;

  constructor(plan: WorkloadPlan, deps: JobGroupDeps) {
    this.#plan = plan;
    this.#deps = deps;
  }

  get plan(): WorkloadPlan {
    return this.#plan;
  }

  /** Whether what is to run now has been started: nobody waits for its end. */
  get settled(): boolean {
    if (this.#outcome !== undefined) return true;
    return this.#members.length > 0 && this.#members.every(({ instance }) => !instance.awaited);
  }

  describe(): MeshJob {
    const { name, namespace } = this.#plan;
    const [succeeded, failed] = [this.#ended('completed').length, this.#failures];
    return { name, namespace, state: this.#outcome ?? 'running', succeeded, failed };
  }

  /** @returns whether anything of its processes changes */
  setPlan(plan: WorkloadPlan): boolean {
    const changed = !sameProcesses(plan, this.#plan);
    this.#plan = plan;
    if (changed) this.stopAll();
    return changed;
  }

  /** One step towards its end; called again whenever an instance has changed. */
  converge(): void {
    this.#leaving = this.#leaving.filter((instance) => !instance.hasEnded);
    if (this.#outcome !== undefined || this.#leaving.length > 0) return;
    const { completions, backoffLimit, deadlineMs } = this.#job;
    if (deadlineMs !== undefined) this.#deadline ??= this.#after(deadlineMs, () => (this.#isLate = true));
    const succeeded = this.#ended('completed').length;
    const active = this.#members.length - succeeded - this.#ended('failed').length;
    const failures = this.#failures;
    if (failures > backoffLimit) this.#end('failed', `${failures} of its runs have failed`);
    else if (this.#isLate) this.#end('failed', `it has not completed within ${deadlineMs! / 1_000} s`);
    else if (succeeded >= (completions ?? 1) && active === 0) this.#end('completed', '');
    else this.#startMissing(succeeded, active);
  }

  /** Ends all of this run, and forgets it. */
  stopAll(): void {
    clearTimeout(this.#pause);
    clearTimeout(this.#deadline);
    const instances = this.#members.map(({ instance }) => instance);
    this.#leaving = [...this.#leaving, ...instances.filter((instance) => !instance.hasEnded)];
    for (const instance of instances) this.#deps.stopInstance(instance);
    this.#members = [];
    this.#outcome = undefined;
    this.#pausedAfter = 0;
    this.#pause = undefined;
    this.#deadline = undefined;
    this.#isLate = false;
  }

  get #job(): NonNullable<WorkloadPlan['job']> {
    return this.#plan.job!;
  }

  /** Instances that have failed, and runs of containers that have and were started again. */
  get #failures(): number {
    const runs = this.#members.map(({ instance }) => instance.failures);
    return this.#ended('failed').length + runs.reduce((sum, count) => sum + count, 0);
  }

  #ended(outcome: 'completed' | 'failed'): readonly Member[] {
    return this.#members.filter(({ instance }) => instance.outcome === outcome);
  }

  /** After each failure there is a pause in which nothing is started; they grow. */
  #startMissing(succeeded: number, active: number): void {
    const failed = this.#ended('failed').length;
    if (failed > this.#pausedAfter) {
      this.#pausedAfter = failed;
      const pauseMs = restartPauseMs(failed);
      this.#deps.tell(
        'warning',
        `failed ${failed} of at most ${this.#job.backoffLimit + 1} times, tried again in ${pauseMs} ms`,
      );
      this.#pause = this.#after(pauseMs, () => (this.#pause = undefined));
    }
    if (this.#pause !== undefined) return;
    const { completions, parallelism, indexed } = this.#job;
    const lacking = completions === undefined ? (succeeded > 0 ? 0 : parallelism) : completions - succeeded;
    for (let missing = Math.min(parallelism, lacking) - active; missing > 0; missing--) {
      const index = indexed ? this.#freeIndex() : undefined;
      const instance = this.#deps.startInstance(this.#plan, index);
      this.#members = [...this.#members, { instance, index }];
    }
  }

  #freeIndex(): number {
    const taken = new Set(
      this.#members.filter(({ instance }) => instance.outcome !== 'failed').map(({ index }) => index),
    );
    let index = 0;
    while (taken.has(index)) index++;
    return index;
  }

  #end(outcome: 'completed' | 'failed', why: string): void {
    this.#outcome = outcome;
    clearTimeout(this.#pause);
    clearTimeout(this.#deadline);
    this.#deps.tell(outcome === 'failed' ? 'warning' : 'info', why === '' ? outcome : `${outcome}: ${why}`);
    for (const { instance } of this.#members) {
      if (instance.outcome === undefined) instance.finish('failed');
    }
  }

  #after(milliseconds: number, then: () => void): NodeJS.Timeout {
    return setTimeout(() => {
      then();
      this.#deps.wake();
    }, milliseconds).unref();
  }
}
