/** A running mesh: control plane, ingress and the instances of every workload, kept at what the plan says. */
import { EventEmitter } from 'node:events';
import type { MeshState, StartedProcess } from '#cli/mesh-state.ts';
import { HEDDLE_VERSION } from '#core/version.ts';
import type { Lease } from '#host/lease.ts';
import { identifyProcess } from '#host/process-identity.ts';
import { ControlPlane } from './control-plane.ts';
import { Ingress } from './ingress.ts';
import { Instance } from './instance.ts';
import { writeMeshFile } from './mesh-file.ts';
import type { MeshServices } from './mesh-services.ts';
import { WorkloadGroup } from './workload-group.ts';
import type { MeshPlan, WorkloadPlan } from './workload-plan.ts';

export interface RunnerSettings {
  readonly plan: MeshPlan;
  readonly lease: Lease;
  readonly paths: readonly string[];
  readonly allowUnsupported: readonly string[];
  /** Undefined: no ingress gateway. */
  readonly ingress: { readonly host: string; readonly port: number } | undefined;
  /** The ingress gateway's ports were bound; some are new since the last call. */
  onBound(bound: Awaited<ReturnType<Ingress['bind']>>): void;
}

/** Changes that come together are written once. */
const WRITE_AFTER_MS = 20;

/** Emits `change` when something has changed that `state` shows. */
export class MeshRunner extends EventEmitter<{ change: [] }> {
  readonly control: ControlPlane;
  readonly ingress: Ingress | undefined;
  readonly #mesh: MeshServices;
  readonly #settings: RunnerSettings;
  readonly #groups = new Map<string, WorkloadGroup>();
  /** All that have not stopped yet, also the stopping ones. */
  readonly #instances = new Set<Instance>();
  /** By workload: the number of its youngest instance. */
  readonly #lastNumbers = new Map<string, number>();
  readonly #startedAt = new Date().toISOString();
  #plan: MeshPlan;
  #stopping = false;
  #writeTimer: NodeJS.Timeout | undefined;

  constructor(settings: RunnerSettings, services: Omit<MeshServices, 'onChange'>) {
    super();
    this.#settings = settings;
    this.#plan = settings.plan;
    this.#mesh = { ...services, onChange: () => this.#changed() };
    const { paths, allowUnsupported, lease, ingress } = settings;
    this.control = new ControlPlane({ name: settings.plan.name, paths, allowUnsupported }, this.#mesh);
    this.ingress = ingress && new Ingress(lease.gatewayAddress(0), ingress, this.#mesh);
  }

  get plan(): MeshPlan {
    return this.#plan;
  }

  /** Starts everything that is not started yet; the control plane must be ready. */
  async startWorkloads(): Promise<void> {
    await this.#bindIngress();
    this.ingress?.start();
    this.#follow(this.#plan);
    this.#changed();
  }

  /** Brings the mesh to a changed plan. @returns the keys of workloads of which processes change */
  async setPlan(plan: MeshPlan): Promise<readonly string[]> {
    if (this.#stopping) return [];
    this.#plan = plan;
    await this.#bindIngress();
    const changed = this.#follow(plan);
    this.#changed();
    return changed;
  }

  /** Whether all that should answer does. */
  get settled(): boolean {
    const groups = [...this.#groups.values()];
    return groups.every((group) => group.settled) && (this.ingress?.ready ?? true) && this.control.ready;
  }

  /** Names of what does not answer yet. */
  awaited(): readonly string[] {
    const instances = [...this.#instances].filter(({ ready, state }) => !ready && state !== 'stopping');
    return [
      ...(this.control.ready ? [] : ['control plane']),
      ...(this.ingress === undefined || this.ingress.ready ? [] : ['ingress gateway']),
      ...instances.map(({ place }) => place.name),
    ];
  }

  /** In order: no new requests, then endpoints, applications and their proxies, and the control plane last. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.ingress?.stop();
    // Nobody is left whose requests would have to be led elsewhere first.
    await Promise.all([...this.#instances].map((instance) => instance.stop(async () => {})));
    await this.control.stop();
    this.writeState();
  }

  /** Puts the state of this moment into `mesh.json`; changes do so by themselves, a little later. */
  writeState(): void {
    clearTimeout(this.#writeTimer);
    this.#writeTimer = undefined;
    writeMeshFile(this.#mesh.places.stateDirectory, this.state());
  }

  /** Everything at once. */
  kill(): void {
    this.#stopping = true;
    this.ingress?.kill();
    for (const instance of this.#instances) instance.kill();
    this.control.kill();
  }

  state(): MeshState {
    const { places } = this.#mesh;
    const runner = identifyProcess(process.pid);
    return {
      name: this.#plan.name,
      version: HEDDLE_VERSION,
      runner: { pid: process.pid, startTime: runner?.startTime ?? '' },
      startedAt: this.#startedAt,
      network: `127.${this.#settings.lease.network}.0.0/16`,
      apiUrl: places.apiUrl,
      ingressUrls: this.ingress?.urls ?? [],
      gateways: this.ingress === undefined ? [] : [this.ingress.describe()],
      instances: [...this.#instances].map((instance) => instance.describe()),
      processes: this.#processes(),
    };
  }

  #processes(): readonly StartedProcess[] {
    return [
      ...this.control.processes(),
      ...(this.ingress?.processes() ?? []),
      ...[...this.#instances].flatMap((instance) => instance.processes()),
    ].map(({ name, pid, startTime }) => ({ name, pid, startTime }));
  }

  async #bindIngress(): Promise<void> {
    if (this.ingress === undefined) return;
    const bound = await this.ingress.bind(this.#plan.gatewayPorts);
    if (bound.length > 0) this.#settings.onBound(bound);
  }

  #follow(plan: MeshPlan): readonly string[] {
    const changed: string[] = [];
    const keys = new Set(plan.workloads.map(({ key }) => key));
    for (const [key, group] of this.#groups) {
      if (keys.has(key)) continue;
      this.#groups.delete(key);
      group.stopAll();
      changed.push(key);
    }
    for (const workload of plan.workloads) {
      const group = this.#groups.get(workload.key);
      if (group === undefined) this.#groups.set(workload.key, this.#newGroup(workload));
      if (group?.setPlan(workload) ?? true) changed.push(workload.key);
    }
    for (const group of this.#groups.values()) group.converge();
    return changed;
  }

  #newGroup(plan: WorkloadPlan): WorkloadGroup {
    return new WorkloadGroup(plan, {
      startInstance: (latest) => this.#startInstance(latest),
      stopInstance: (instance) => void this.#stopInstance(instance),
    });
  }

  #startInstance(plan: WorkloadPlan): Instance {
    const number = (this.#lastNumbers.get(plan.key) ?? 0) + 1;
    this.#lastNumbers.set(plan.key, number);
    const index = this.#freeIndex();
    const { lease } = this.#settings;
    const meshAddress = lease.meshAddress(index);
    // Without a sidecar the application itself is what the others connect to.
    const applicationAddress = plan.sidecar === 'none' ? meshAddress : lease.applicationAddress(index);
    const place = { name: `${plan.name}-${number}`, index, meshAddress, applicationAddress };
    const instance = new Instance(plan, place, this.#plan.services, this.#mesh);
    this.#instances.add(instance);
    instance.start();
    return instance;
  }

  #freeIndex(): number {
    const used = new Set([...this.#instances].map(({ place }) => place.index));
    let index = 0;
    while (used.has(index)) index++;
    return index;
  }

  async #stopInstance(instance: Instance): Promise<void> {
    await instance.stop(() => this.control.endpointsHeard());
    this.#instances.delete(instance);
    this.#changed();
  }

  #changed(): void {
    if (!this.#stopping) for (const group of this.#groups.values()) group.converge();
    this.#writeTimer ??= setTimeout(() => this.writeState(), WRITE_AFTER_MS);
    this.emit('change');
  }
}
