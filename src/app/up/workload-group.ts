/**
 * The instances of one workload, brought to what its Deployment says: more, fewer, or one by one
 * replaced by instances of a changed plan, without a moment in which fewer answer than should.
 */
import type { Instance } from './instance.ts';
import { sameProcesses, type WorkloadPlan } from './workload-plan.ts';

export interface WorkloadGroupDeps {
  /** Makes the instance and starts it. */
  startInstance(plan: WorkloadPlan): Instance;
  /** Begins to stop it. */
  stopInstance(instance: Instance): void;
}

export class WorkloadGroup {
  readonly #deps: WorkloadGroupDeps;
  #plan: WorkloadPlan;
  /** Those that are not stopping, oldest first. */
  #instances: readonly Instance[] = [];
  /** Those that are stopping; looked at where new ones have to wait for them. */
  #leaving: readonly Instance[] = [];

  constructor(plan: WorkloadPlan, deps: WorkloadGroupDeps) {
    this.#plan = plan;
    this.#deps = deps;
  }

  get plan(): WorkloadPlan {
    return this.#plan;
  }

  /** Whether as many as wanted answer, and none of an older plan is left. */
  get settled(): boolean {
    const { current, old } = this.#split();
    return old.length === 0 && current.length === this.#plan.replicas && current.every(({ ready }) => ready);
  }

  /** @returns whether anything of its processes changes */
  setPlan(plan: WorkloadPlan): boolean {
    const changed = !sameProcesses(plan, this.#plan) || plan.replicas !== this.#plan.replicas;
    this.#plan = plan;
    return changed;
  }

  /** One step towards the plan; called again whenever an instance has changed. */
  converge(): void {
    const { current, old } = this.#split();
    const wanted = this.#plan.replicas;
    if (this.#plan.recreates === true) {
      for (const instance of old) this.#stop(instance);
      this.#leaving = this.#leaving.filter(({ hasEnded }) => !hasEnded);
      if (this.#leaving.some(({ plan }) => !sameProcesses(plan, this.#plan))) return;
    }
    for (let missing = wanted - current.length; missing > 0; missing--) {
      this.#instances = [...this.#instances, this.#deps.startInstance(this.#plan)];
    }
    // The youngest go first, unless an older one does not answer.
    const surplus = current.length - wanted;
    if (surplus > 0) for (const instance of leastUseful(current).slice(0, surplus)) this.#stop(instance);
    // Of the old ones as many stay as are needed until the new ones answer.
    const answering = current.filter(({ ready }) => ready).length;
    const keep = Math.max(0, Math.min(old.length, wanted - answering));
    for (const instance of leastUseful(old).slice(0, old.length - keep)) this.#stop(instance);
  }

  /** Ends all of them; the group is of no use afterwards. */
  stopAll(): void {
    for (const instance of this.#instances) this.#stop(instance);
  }

  #stop(instance: Instance): void {
    this.#instances = this.#instances.filter((one) => one !== instance);
    if (this.#plan.recreates === true) this.#leaving = [...this.#leaving, instance];
    this.#deps.stopInstance(instance);
  }

  #split(): { readonly current: readonly Instance[]; readonly old: readonly Instance[] } {
    const current = this.#instances.filter(({ plan }) => sameProcesses(plan, this.#plan));
    return { current, old: this.#instances.filter((instance) => !current.includes(instance)) };
  }
}

/** Those that do not answer first, then the youngest. */
function leastUseful(instances: readonly Instance[]): readonly Instance[] {
  return instances.toReversed().sort((a, b) => Number(a.ready) - Number(b.ready));
}
