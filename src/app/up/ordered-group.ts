/**
 * The instances of a StatefulSet: each keeps its number, and a number has one instance at a time. They start and
 * end in their order, and are replaced from the last to the first.
 */
import type { Instance } from './instance.ts';
import { sameProcesses, type WorkloadPlan } from './workload-plan.ts';

export interface OrderedGroupDeps {
  /** Whether no instance has that number, of whatever group: one of an earlier group may be stopping still. */
  isFree(ordinal: number): boolean;
  /** Makes the instance of a number and starts it. */
  startInstance(plan: WorkloadPlan, ordinal: number): Instance;
  /** Begins to stop it; when it has stopped, the group is asked to converge. */
  stopInstance(instance: Instance): void;
}

export class OrderedGroup {
  readonly #deps: OrderedGroupDeps;
  #plan: WorkloadPlan;
  /** By number; those that are stopping too. */
  readonly #instances = new Map<number, Instance>();
  readonly #stopping = new Set<Instance>();

  constructor(plan: WorkloadPlan, deps: OrderedGroupDeps) {
    this.#plan = plan;
    this.#deps = deps;
  }

  get plan(): WorkloadPlan {
    return this.#plan;
  }

  get settled(): boolean {
    const all = [...this.#instances.values()];
    return (
      all.length === this.#plan.replicas &&
      all.every((instance) => instance.ready && sameProcesses(instance.plan, this.#plan))
    );
  }

  /** @returns whether anything of its processes changes */
  setPlan(plan: WorkloadPlan): boolean {
    const changed = !sameProcesses(plan, this.#plan) || plan.replicas !== this.#plan.replicas;
    this.#plan = plan;
    return changed;
  }

  /** One step towards the plan; called again whenever an instance has changed. */
  converge(): void {
    for (const [ordinal, instance] of this.#instances) {
      if (instance.state !== 'stopped') continue;
      this.#instances.delete(ordinal);
      this.#stopping.delete(instance);
    }
    const { replicas, ordinals } = this.#plan;
    const { start, ordered } = ordinals!;
    const wanted = Array.from({ length: replicas }, (_, at) => start + at);
    const surplus = [...this.#instances.keys()]
      .filter((ordinal) => !wanted.includes(ordinal))
      .sort((a, b) => b - a);
    for (const ordinal of surplus) {
      // The last one first, and the next when it has stopped.
      if (ordered && this.#stopping.size > 0) return;
      this.#stop(this.#instances.get(ordinal)!);
    }
    for (const ordinal of wanted) {
      const instance = this.#instances.get(ordinal);
      if (instance === undefined) this.#start(ordinal);
      else if (!this.#stopping.has(instance) && !instance.ready && !this.#isCurrent(instance))
        this.#stop(instance);
      if (ordered && this.#instances.get(ordinal)?.ready !== true) return;
    }
    this.#replaceLast(wanted);
  }

  stopAll(): void {
    for (const instance of this.#instances.values()) this.#stop(instance);
  }

  /** Of those of an older plan the last one, while all others are ready. */
  #replaceLast(wanted: readonly number[]): void {
    const all = wanted.map((ordinal) => this.#instances.get(ordinal));
    if (this.#stopping.size > 0 || !all.every((instance) => instance?.ready === true)) return;
    const old = all.findLast((instance) => !this.#isCurrent(instance!));
    if (old !== undefined) this.#stop(old);
  }

  #isCurrent(instance: Instance): boolean {
    return sameProcesses(instance.plan, this.#plan);
  }

  #start(ordinal: number): void {
    if (!this.#deps.isFree(ordinal)) return;
    this.#instances.set(ordinal, this.#deps.startInstance(this.#plan, ordinal));
  }

  #stop(instance: Instance): void {
    if (this.#stopping.has(instance)) return;
    this.#stopping.add(instance);
    this.#deps.stopInstance(instance);
  }
}
