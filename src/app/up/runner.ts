/** A running mesh: control plane, ingress and the instances of every workload, kept at what the plan says. */
import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { MeshState, StartedProcess } from '#cli/mesh-state.ts';
import { HEDDLE_VERSION } from '#core/version.ts';
import type { Lease } from '#host/lease.ts';
import { podAddresses } from '#host/network/addresses.ts';
import { identifyProcess } from '#host/process-identity.ts';
import { ClaimRetention } from './claim-retention.ts';
import { ControlPlane } from './control-plane.ts';
import { doorwayHelper } from './doorway-helper.ts';
import type { Helper } from './helper.ts';
import { Ingress } from './ingress.ts';
import { Instance, type InstancePlace } from './instance.ts';
import { JobGroup } from './job-group.ts';
import { writeMeshFile } from './mesh-file.ts';
import type { MeshServices } from './mesh-services.ts';
import { OrderedGroup } from './ordered-group.ts';
import { WorkloadGroup } from './workload-group.ts';
import { type MeshPlan, sameProcesses, type WorkloadPlan } from './workload-plan.ts';

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

/** Keys of the workloads that an edit reaches. */
export interface PlanChange {
  /** Those of which processes are started or ended. */
  readonly processes: readonly string[];
  /** Those of which running processes find other files in their volumes. */
  readonly files: readonly string[];
}

/** Changes that come together are written once. */
const WRITE_AFTER_MS = 20;

/** Emits `change` when something has changed that `state` shows. */
export class MeshRunner extends EventEmitter<{ change: [] }> {
  readonly control: ControlPlane;
  readonly ingress: Ingress | undefined;
  /** By which Pods are reached, where traffic is captured. */
  readonly #doorway: Helper | undefined;
  readonly #mesh: MeshServices;
  readonly #settings: RunnerSettings;
  readonly #groups = new Map<string, Group>();
  /** All that have not stopped yet, also the stopping ones. */
  readonly #instances = new Set<Instance>();
  /** By workload: the number of its youngest instance. */
  readonly #lastNumbers = new Map<string, number>();
  readonly #retention: ClaimRetention;
  readonly #startedAt = new Date().toISOString();
  #plan: MeshPlan;
  #stopping = false;
  #writeTimer: NodeJS.Timeout | undefined;

  constructor(settings: RunnerSettings, services: Omit<MeshServices, 'onChange'>) {
    super();
    this.#settings = settings;
    this.#plan = settings.plan;
    this.#mesh = { ...services, onChange: () => this.#changed() };
    this.#retention = new ClaimRetention(({ namespace, name }) => {
      this.#mesh.claims.remove(namespace, name);
      this.#mesh.tell('info', name, 'deleted, as persistentVolumeClaimRetentionPolicy says');
    });
    const { paths, allowUnsupported, lease, ingress } = settings;
    this.control = new ControlPlane({ name: settings.plan.name, paths, allowUnsupported }, this.#mesh);
    this.#doorway = doorwayHelper(this.#mesh);
    this.ingress = ingress && new Ingress(lease.gatewayAddress(0), ingress, this.#mesh);
  }

  get plan(): MeshPlan {
    return this.#plan;
  }

  /** The control plane, and what leads to it. */
  startControl(): void {
    this.#doorway?.start();
    this.control.start();
  }

  /** Starts everything that is not started yet; the control plane must be ready. */
  async startWorkloads(): Promise<void> {
    await this.#bindIngress();
    await this.ingress?.start();
    this.#follow(this.#plan);
    this.#changed();
  }

  /** Brings the mesh to a changed plan. */
  async setPlan(plan: MeshPlan): Promise<PlanChange> {
    if (this.#stopping) return { processes: [], files: [] };
    this.#plan = plan;
    await this.#bindIngress();
    const processes = this.#follow(plan);
    const files = this.#updateVolumes(plan);
    this.#changed();
    return { processes, files };
  }

  /** Whether all that should answer does. */
  get settled(): boolean {
    const groups = [...this.#groups.values()];
    return (
      groups.every((group) => group.settled) &&
      (this.ingress?.ready ?? true) &&
      this.control.ready &&
      (this.#doorway?.ready ?? true)
    );
  }

  /** Names of what does not answer yet. */
  awaited(): readonly string[] {
    const instances = [...this.#instances].filter(({ awaited }) => awaited);
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
    await this.#doorway?.stop();
    this.writeState();
  }

  /** Puts the state of this moment into `mesh.json`; changes do so by themselves, a little later. */
  writeState(): void {
    clearTimeout(this.#writeTimer);
    this.#writeTimer = undefined;
    const { stateFolder } = this.#mesh;
    stateFolder.keep(() => writeMeshFile(stateFolder.path, this.state()));
  }

  /** Everything at once. */
  kill(): void {
    this.#stopping = true;
    this.ingress?.kill();
    for (const instance of this.#instances) instance.kill();
    this.control.kill();
    this.#doorway?.kill();
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
      captured: this.#mesh.network !== undefined,
      apiUrl: places.apiUrl,
      ingressUrls: this.ingress?.urls ?? [],
      gateways: this.ingress === undefined ? [] : [this.ingress.describe()],
      instances: [...this.#instances].map((instance) => instance.describe()),
      jobs: [...this.#groups.values()].flatMap((group) =>
        group instanceof JobGroup ? [group.describe()] : [],
      ),
      processes: this.#processes(),
    };
  }

  #processes(): readonly StartedProcess[] {
    return [
      ...this.control.processes(),
      ...(this.#doorway?.processes() ?? []),
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
    const kinds = new Map(plan.workloads.map((workload) => [workload.key, groupKind(workload)]));
    for (const [key, group] of this.#groups) {
      if (kinds.get(key) === groupKind(group.plan)) continue;
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

  /** @returns the keys of workloads whose processes find other files */
  #updateVolumes({ workloads }: MeshPlan): readonly string[] {
    const changed = new Set<string>();
    for (const instance of this.#instances) {
      const latest = workloads.find(({ key }) => key === instance.plan.key);
      if (latest === undefined || !sameProcesses(latest, instance.plan)) continue;
      if (instance.updateVolumes(latest.volumes)) changed.add(latest.key);
    }
    return [...changed];
  }

  #newGroup(plan: WorkloadPlan): Group {
    const stopInstance = (instance: Instance): void => void this.#stopInstance(instance);
    const kind = groupKind(plan);
    if (kind === 'job') {
      return new JobGroup(plan, {
        startInstance: (latest, index) => this.#startInstance(latest, this.#nextNumber(latest), index),
        stopInstance,
        wake: () => this.#changed(),
        tell: (level, message) => this.#mesh.tell(level, plan.name, message),
      });
    }
    if (kind === 'ordered') {
      return new OrderedGroup(plan, {
        isFree: (ordinal) => !this.#isTaken(plan, ordinal),
        startInstance: (latest, ordinal) => this.#startInstance(latest, ordinal),
        stopInstance,
      });
    }
    return new WorkloadGroup(plan, {
      startInstance: (latest) => this.#startInstance(latest, this.#nextNumber(latest)),
      stopInstance,
    });
  }

  #nextNumber(plan: WorkloadPlan): number {
    const { key } = plan;
    let number = (this.#lastNumbers.get(key) ?? 0) + 1;
    while (this.#isTaken(plan, number)) number++;
    this.#lastNumbers.set(key, number);
    return number;
  }

  /** One of a group that is gone may be stopping still. */
  #isTaken({ key, name }: WorkloadPlan, number: number): boolean {
    const taken = instanceName(name, number);
    return [...this.#instances].some(({ plan, place }) => plan.key === key && place.name === taken);
  }

  #startInstance(plan: WorkloadPlan, number: number, completionIndex?: number): Instance {
    const index = this.#freeIndex();
    const { lease } = this.#settings;
    const place: InstancePlace = {
      name: instanceName(plan.name, number),
      uid: randomUUID(),
      index,
      ...(completionIndex !== undefined && { completionIndex }),
      ...(this.#mesh.network === undefined ? onLoopback(lease, index, plan) : inNamespace(lease, index)),
    };
    const instance = new Instance(plan, place, this.#plan.services, this.#mesh);
    this.#retention.taken(instance);
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
    if (!this.#stopping) this.#releaseClaims(instance);
    this.#changed();
  }

  #releaseClaims(gone: Instance): void {
    const latest = this.#plan.workloads.find(({ key }) => key === gone.plan.key);
    try {
      this.#retention.released(gone, latest, this.#instances);
    } catch (error) {
      this.#mesh.tell('warning', gone.place.name, `leaves files behind: ${(error as Error).message}`);
    }
  }

  #changed(): void {
    if (!this.#stopping) for (const group of this.#groups.values()) group.converge();
    this.#writeTimer ??= setTimeout(() => this.writeState(), WRITE_AFTER_MS);
    this.emit('change');
  }
}

/** All are addresses of this machine. */
function onLoopback(lease: Lease, index: number, { sidecar }: WorkloadPlan): Omit<InstancePlace, PlaceName> {
  const meshAddress = lease.meshAddress(index);
  // Without a sidecar the application itself is what the others connect to.
  const applicationAddress = sidecar === 'none' ? meshAddress : lease.applicationAddress(index);
  return { meshAddress, applicationAddress, machineAddress: meshAddress };
}

/** The Pod has an address of its own, and this machine one for its proxy's admin interface. */
function inNamespace(lease: Lease, index: number): Omit<InstancePlace, PlaceName> {
  const addresses = podAddresses(index);
  const { ipv4 } = addresses;
  return { meshAddress: ipv4, applicationAddress: ipv4, machineAddress: lease.meshAddress(index), addresses };
}

type PlaceName = 'name' | 'uid' | 'index';

const instanceName = (workload: string, number: number): string => `${workload}-${number}`;

type Group = WorkloadGroup | OrderedGroup | JobGroup;

/** A workload that becomes one of another kind gets another group. */
function groupKind({ job, ordinals }: WorkloadPlan): 'job' | 'ordered' | 'replicated' {
  if (job !== undefined) return 'job';
  return ordinals === undefined ? 'replicated' : 'ordered';
}
