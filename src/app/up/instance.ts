/**
 * The life of one workload instance: its proxy first, then its application, then an endpoint while it
 * answers; on the way out it leaves the endpoints first and its proxy ends last.
 */
import { mkdirSync } from 'node:fs';
import type { MeshInstance } from '#cli/mesh-state.ts';
import { isAnswering } from '#host/listening.ts';
import type { ProcessIdentity } from '#host/process-identity.ts';
import { Applications } from './applications.ts';
import type { Helper } from './helper.ts';
import { adminUrl } from './mesh-places.ts';
import type { MeshServices } from './mesh-services.ts';
import { type PodInput, podKeys } from './pods.ts';
import { proxyHelpers } from './proxy-helpers.ts';
import { Pulse } from './pulse.ts';
import { assignServicePorts } from './service-plan.ts';
import type { ServicePortPlan, WorkloadPlan } from './workload-plan.ts';

// proxy-starting -> application-starting -> ready <-> not-answering; any -> stopping -> stopped
export type InstanceState =
  | 'proxy-starting'
  | 'application-starting'
  | 'ready'
  | 'not-answering'
  | 'stopping'
  | 'stopped';

/** Which instance of its workload, and where it lives. */
export interface InstancePlace {
  /** Of the Pod, such as `reviews-v1-2`. */
  readonly name: string;
  /** Of its addresses; given back when it has stopped. */
  readonly index: number;
  readonly meshAddress: string;
  readonly applicationAddress: string;
}

/** Until it answers: quick, for a newcomer waits. While it does: seldom, for its end is heard at once. */
const FAST_MS = 100;
const SLOW_MS = 1_000;
const ANSWER_TIMEOUT_MS = 1_000;

export class Instance {
  readonly plan: WorkloadPlan;
  readonly place: InstancePlace;
  readonly #mesh: MeshServices;
  readonly #servicePorts: ReadonlyMap<string, number>;
  readonly #helpers: readonly Helper[];
  readonly #applications: Applications;
  readonly #pulse: Pulse;
  #state: InstanceState = 'proxy-starting';
  #stopped: Promise<void> | undefined;

  constructor(
    plan: WorkloadPlan,
    place: InstancePlace,
    services: readonly ServicePortPlan[],
    mesh: MeshServices,
  ) {
    this.plan = plan;
    this.place = place;
    this.#mesh = mesh;
    const taken = this.ports;
    this.#servicePorts =
      plan.sidecar === 'none' ? new Map() : assignServicePorts(services, taken, mesh.lowestPort);
    const helpers = proxyHelpers(plan, place, mesh, () => this.#helperChanged());
    this.#helpers = helpers.helpers;
    this.#applications = new Applications(plan, place, mesh, {
      services,
      servicePorts: this.#servicePorts,
      grpcBootstrap: helpers.grpcBootstrap,
      onEnd: () => this.#pulse.lost(),
    });
    this.#pulse = new Pulse({
      check: () => this.#answers(),
      onChange: () => this.#update(),
      fastMs: FAST_MS,
      slowMs: SLOW_MS,
    });
  }

  /** TCP ports of its containers. */
  get ports(): readonly number[] {
    return this.plan.containers.flatMap(({ ports }) => ports.map(({ containerPort }) => containerPort));
  }

  get state(): InstanceState {
    return this.#state;
  }

  get ready(): boolean {
    return this.#state === 'ready';
  }

  start(): void {
    mkdirSync(this.#mesh.places.instanceDirectory(this.place.name, this.plan.namespace), {
      recursive: true,
      mode: 0o700,
    });
    this.#writePod();
    for (const helper of this.#helpers) helper.start();
    this.#update();
  }

  /** @param leave resolves when the others have heard that it is no endpoint any more */
  stop(leave: () => Promise<void>): Promise<void> {
    this.#stopped ??= this.#stopInOrder(leave);
    return this.#stopped;
  }

  /** Everything at once, by SIGKILL. */
  kill(): void {
    this.#pulse.stop();
    this.#applications.kill();
    for (const helper of this.#helpers) helper.kill();
  }

  describe(): MeshInstance {
    const { plan, place } = this;
    return {
      name: place.name,
      namespace: plan.namespace,
      workload: plan.name,
      meshAddress: place.meshAddress,
      applicationAddress: place.applicationAddress,
      ports: this.ports,
      sidecar: plan.sidecar,
      agent: this.#helpers.some(({ name }) => name.endsWith('.agent')),
      ...(plan.sidecar !== 'none' && { adminUrl: adminUrl(place.meshAddress) }),
      version: plan.labels.version ?? '',
      state: this.#state,
      ready: this.ready,
    };
  }

  processes(): readonly (ProcessIdentity & { readonly name: string })[] {
    return [...this.#helpers, this.#applications].flatMap((part) => part.processes());
  }

  /** Something went up or down: the next step, if its time has come, and the Pod as it is now. */
  #update(): void {
    if (this.#stopped !== undefined) return;
    const helpersReady = this.#helpers.every(({ ready }) => ready);
    if (helpersReady && this.#state === 'proxy-starting') {
      this.#applications.start();
      this.#pulse.start();
      this.#state = 'application-starting';
    }
    if (this.#state === 'proxy-starting') return;
    const ready = helpersReady && this.#pulse.answers;
    const before = this.#state;
    if (ready) this.#state = 'ready';
    else if (before === 'ready') this.#state = 'not-answering';
    if (this.#state !== before) {
      this.#writePod();
      this.#mesh.onChange(this);
    }
  }

  /** Its process or its readiness: the former is told also where the latter stays what it is. */
  #helperChanged(): void {
    this.#update();
    this.#mesh.onChange(this);
  }

  /** Every port of every container; a workload without ports answers while it runs. */
  async #answers(): Promise<boolean> {
    if (!this.#applications.running) return false;
    const answers = await Promise.all(
      this.ports.map((port) => isAnswering(this.place.applicationAddress, port, ANSWER_TIMEOUT_MS)),
    );
    const all = answers.every(Boolean) && this.#applications.running;
    if (all) this.#applications.answered();
    else this.#applications.missed();
    return all;
  }

  async #stopInOrder(leave: () => Promise<void>): Promise<void> {
    const wasEndpoint = this.ready;
    this.#state = 'stopping';
    this.#pulse.stop();
    this.#writePod(new Date().toISOString());
    this.#mesh.onChange(this);
    if (wasEndpoint) await leave();
    await this.#applications.stop();
    // Its proxy drains what is left of connections, and goes with them.
    await Promise.all(this.#helpers.map((helper) => helper.stop()));
    this.#mesh.pods.remove({ name: this.place.name, namespace: this.plan.namespace });
    this.#state = 'stopped';
    this.#mesh.onChange(this);
  }

  #writePod(deletionTimestamp?: string): void {
    this.#mesh.pods.write({ ...this.#pod(), ...(deletionTimestamp !== undefined && { deletionTimestamp }) });
  }

  #pod(): PodInput {
    const { plan, place } = this;
    const annotations = {
      ...plan.annotations,
      [podKeys.applicationAddress]: place.applicationAddress,
      ...(this.#servicePorts.size > 0 && {
        [podKeys.servicePorts]: JSON.stringify(Object.fromEntries(this.#servicePorts)),
      }),
    };
    // Proxyless gRPC servers take mutual TLS themselves.
    const takesTls = plan.sidecar !== 'none' || plan.grpcAgent;
    return {
      name: place.name,
      namespace: plan.namespace,
      labels: { ...plan.labels, ...(takesTls && { [podKeys.tlsMode]: 'istio' }) },
      annotations,
      serviceAccount: plan.serviceAccount,
      containers: plan.containers,
      meshAddress: place.meshAddress,
      ready: this.ready,
    };
  }
}
