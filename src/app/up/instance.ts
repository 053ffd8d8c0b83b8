/**
 * The life of one workload instance: its proxy first, then its application, then an endpoint while it
 * answers; on the way out it leaves the endpoints first and its proxy ends last.
 */
import { join } from 'node:path';
import type { MeshInstance } from '#cli/mesh-state.ts';
import { capturePorts } from '#host/network/capture-rules.ts';
import type { PodAddresses } from '#host/network/mesh-network.ts';
import type { ProcessIdentity } from '#host/process-identity.ts';
import { Applications, type Outcome } from './applications.ts';
import type { CapturedNetwork, PodNetwork } from './captured-network.ts';
import type { Helper } from './helper.ts';
import { inboundQuiet } from './inbound-quiet.ts';
import { forgetKept } from './kept-files.ts';
import { adminUrl } from './mesh-places.ts';
import type { MeshServices } from './mesh-services.ts';
import { Pause } from './pause.ts';
import { podFactsOf } from './pod-facts.ts';
import { PodVolumes } from './pod-volumes.ts';
import { type PodInput, podKeys } from './pods.ts';
import { proxyHelpers } from './proxy-helpers.ts';
import { Pulse } from './pulse.ts';
import { assignServicePorts } from './service-plan.ts';
import { restartPauseMs } from './supervised.ts';
import type { VolumePlan } from './volume-plan.ts';
import type { ServicePortPlan, WorkloadPlan } from './workload-plan.ts';

// proxy-starting -> application-starting -> ready <-> not-answering; any -> stopping -> stopped
// of a Job's instance: any -> stopping -> completed | failed
export type InstanceState =
  | 'proxy-starting'
  | 'application-starting'
  | 'ready'
  | 'not-answering'
  | 'stopping'
  | 'stopped'
  | Outcome;

/** Which instance of its workload, and where it lives. */
export interface InstancePlace {
  /** Of the Pod, such as `reviews-v1-2`. */
  readonly name: string;
  /** Of the Pod; no two have the same. */
  readonly uid: string;
  /** Of its addresses; given back when it has stopped. */
  readonly index: number;
  readonly meshAddress: string;
  readonly applicationAddress: string;
  /** Of this machine, for the admin interface of its proxy. */
  readonly machineAddress: string;
  /** Of its Pod, where traffic is captured. */
  readonly addresses?: PodAddresses;
  /** Of an indexed Job. */
  readonly completionIndex?: number;
}

/** Until it answers: quick, for a newcomer waits. While it does: seldom, for its end is heard at once. */
const FAST_MS = 100;
const SLOW_MS = 1_000;
const ANSWER_TIMEOUT_MS = 1_000;
/** Connections that nobody ends must not hold up a stop. */
const QUIET_WITHIN_MS = 5_000;
/** What was sent to an instance that has no proxy to be asked has come to it after this. */
const UNDER_WAY_MS = 1_000;

export class Instance {
  readonly plan: WorkloadPlan;
  readonly place: InstancePlace;
  readonly #mesh: MeshServices;
  readonly #servicePorts: ReadonlyMap<string, number>;
  readonly #helpers: readonly Helper[];
  readonly #applications: Applications;
  readonly #volumes: PodVolumes;
  readonly #pulse: Pulse;
  #state: InstanceState = 'proxy-starting';
  #stopped: Promise<void> | undefined;
  #outcome: Outcome | undefined;
  /** Undefined before it is made, and where traffic is not captured. */
  #network: PodNetwork | undefined;
  #started: Promise<void> | undefined;
  readonly #pause = new Pause();
  /** From the end of its time as an endpoint to that of its application. */
  readonly #farewell = new Pause();

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
      plan.sidecar === 'none' || mesh.network !== undefined
        ? new Map()
        : assignServicePorts(services, taken, mesh.lowestPort);
    const network = (): PodNetwork | undefined => this.#network;
    const helpers = proxyHelpers(plan, place, mesh, { network, onChange: () => this.#helperChanged() });
    this.#helpers = helpers.helpers;
    const folder = join(mesh.places.instanceDirectory(place.name, plan.namespace), 'volumes');
    const tell = (message: string): void => mesh.tell('warning', place.name, message);
    const volumes = { folder, claims: mesh.claims };
    this.#volumes = new PodVolumes(volumes, plan, podFactsOf(plan, place, mesh), tell);
    this.#applications = new Applications(plan, place, mesh, {
      services,
      servicePorts: this.#servicePorts,
      grpcBootstrap: helpers.grpcBootstrap,
      volumes: this.#volumes,
      network,
      onChange: () => this.#pulse.lost(),
      onDone: (outcome) => this.finish(outcome),
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

  /** Whether somebody waits for it: until it is ready, or until it runs if it is to end. */
  get awaited(): boolean {
    if (this.plan.job !== undefined) return this.#state === 'proxy-starting';
    return !this.ready && this.#state !== 'stopping';
  }

  /** How it has ended that was to end; known before all of it is gone. */
  get outcome(): Outcome | undefined {
    return this.#outcome;
  }

  /** Runs that have failed of containers that were started again. */
  get failures(): number {
    return this.#applications.failures;
  }

  /** Whether nothing of it runs any more. */
  get hasEnded(): boolean {
    return this.#state === 'stopped' || this.#state === 'completed' || this.#state === 'failed';
  }

  start(): void {
    const { places, stateFolder } = this.#mesh;
    const { name: pod } = this.place;
    const { namespace } = this.plan;
    stateFolder.makeFolder(places.instanceDirectory(pod, namespace));
    forgetKept(stateFolder, places, { pod, namespace });
    this.#writePod();
    this.#started = this.#startHelpers();
  }

  async #startHelpers(): Promise<void> {
    if (!(await this.#joinNetwork()) || !(await this.#volumes.make(this.#network))) return;
    if (this.#stopped !== undefined) return;
    for (const helper of this.#helpers) helper.start();
    this.#update();
  }

  /** Tries until it has one. @returns whether it may start */
  async #joinNetwork(): Promise<boolean> {
    const { network, tell } = this.#mesh;
    const { addresses, name } = this.place;
    if (network === undefined || addresses === undefined) return true;
    for (let failures = 1; this.#stopped === undefined; failures++) {
      try {
        this.#network = await this.#makeNetwork(network, addresses);
        return true;
      } catch (error) {
        if (this.#stopped !== undefined) break;
        const pauseMs = restartPauseMs(failures);
        tell('warning', name, `has no network: ${(error as Error).message}; tried again in ${pauseMs} ms`);
        await this.#pause.wait(pauseMs);
      }
    }
    return false;
  }

  async #makeNetwork(network: CapturedNetwork, addresses: PodAddresses): Promise<PodNetwork> {
    const { index, machineAddress } = this.place;
    const { namespace, sidecar, capture } = this.plan;
    const made = await network.addPod(`pod${index}`, { addresses, machineAddress, namespace });
    try {
      if (sidecar !== 'none') await made.capture(capture);
      return made;
    } catch (error) {
      await made.close();
      throw error;
    }
  }

  /** Puts other files into its volumes, while its processes run. @returns whether there are others */
  updateVolumes(volumes: readonly VolumePlan[]): boolean {
    return this.#stopped === undefined && this.#volumes.update(volumes);
  }

  /**
   * Asked again, it does not wait for others to finish with it.
   * @param leave resolves when the others have heard that it is no endpoint any more
   */
  stop(leave: () => Promise<void>): Promise<void> {
    if (this.#stopped !== undefined) this.#farewell.end();
    this.#stopped ??= this.#stopInOrder(leave, 'stopped');
    return this.#stopped;
  }

  /** Ends what is left of it; it stays to be seen. */
  finish(outcome: Outcome): void {
    if (this.#stopped !== undefined) return;
    this.#outcome = outcome;
    // Whoever is on the way to it finds nobody: there is nothing to wait for.
    this.#stopped = this.#stopInOrder(async () => {}, outcome);
  }

  /** Everything at once, by SIGKILL. */
  kill(): void {
    this.#pulse.stop();
    this.#applications.kill();
    for (const helper of this.#helpers) helper.kill();
    // Secrets are not left lying about.
    this.#volumes.remove();
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
      ...(plan.sidecar !== 'none' && { adminUrl: adminUrl(place.machineAddress) }),
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

  /** A workload without ports and probes answers while it runs. */
  async #answers(): Promise<boolean> {
    const all = await this.#applications.answer(ANSWER_TIMEOUT_MS);
    if (all) this.#applications.answered();
    else this.#applications.missed();
    return all;
  }

  async #stopInOrder(leave: () => Promise<void>, last: 'stopped' | Outcome): Promise<void> {
    const wasEndpoint = this.ready;
    this.#state = 'stopping';
    this.#pulse.stop();
    this.#writePod(new Date().toISOString());
    this.#mesh.onChange(this);
    this.#pause.end();
    if (wasEndpoint) {
      await leave();
      await this.#inboundQuiet();
    }
    await this.#started;
    await this.#applications.stop();
    // Its proxy drains what is left of connections, and goes with them.
    await Promise.all(this.#helpers.map((helper) => helper.stop()));
    await this.#network?.close();
    this.#volumes.remove();
    this.#mesh.pods.remove({ name: this.place.name, namespace: this.plan.namespace });
    this.#state = last;
    this.#mesh.onChange(this);
  }

  /** What was sent to it before everybody knew finds it as it was. */
  async #inboundQuiet(): Promise<void> {
    const { plan, place } = this;
    if (plan.sidecar === 'none') return this.#farewell.wait(UNDER_WAY_MS);
    const ports = this.#network === undefined ? this.ports : [capturePorts.inbound];
    const inbound = { adminUrl: adminUrl(place.machineAddress), ports };
    await inboundQuiet(inbound, Math.min(QUIET_WITHIN_MS, plan.graceMs), this.#farewell);
  }

  #writePod(deletionTimestamp?: string): void {
    this.#mesh.pods.write({ ...this.#pod(), ...(deletionTimestamp !== undefined && { deletionTimestamp }) });
  }

  #pod(): PodInput {
    const { plan, place } = this;
    const annotations = {
      ...plan.annotations,
      ...(this.#mesh.network === undefined && { [podKeys.applicationAddress]: place.applicationAddress }),
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
