/** The application of one instance: a process for each of its containers, started and ended in their order. */

import type { ChildEnd, ChildSpec } from '#host/process.ts';
import type { ProcessIdentity } from '#host/process-identity.ts';
import { pathWithNode } from '#host/self.ts';
import { listenAdvice } from './advice.ts';
import type { PodNetwork } from './captured-network.ts';
import { ContainerProcess, type ContainerProcessDeps } from './container-process.ts';
import { logEnd, tellEnd } from './end-report.ts';
import { type ApplicationEnvironment, applicationEnvironment } from './environment.ts';
import { expand, expandVolumes } from './expand.ts';
import { InitContainer } from './init-container.ts';
import type { InstancePlace } from './instance.ts';
import type { MeshServices } from './mesh-services.ts';
import { podFactsOf } from './pod-facts.ts';
import type { PodVolumes } from './pod-volumes.ts';
import type { ContainerPlan, ServicePortPlan, WorkloadPlan } from './workload-plan.ts';

/** How an instance has ended that is to end. */
export type Outcome = 'completed' | 'failed';

export interface ApplicationsSettings {
  readonly services: readonly ServicePortPlan[];
  readonly servicePorts: ReadonlyMap<string, number>;
  readonly grpcBootstrap: string | undefined;
  readonly volumes: PodVolumes;
  /** Of its Pod, where traffic is captured; asked once that is there. */
  network(): PodNetwork | undefined;
  /** One of the processes has ended, or its probes say something else. */
  onChange(): void;
  /** All that are to end have. */
  onDone(outcome: Outcome): void;
}

/** An application that has not answered for so long is looked at: where does it listen instead? */
const SILENT_MS = 3_000;
/** What a container has at least between SIGTERM and SIGKILL, when the others have used up the time. */
const LEAST_GRACE_MS = 2_000;

export class Applications {
  readonly #plan: WorkloadPlan;
  readonly #place: InstancePlace;
  readonly #mesh: MeshServices;
  readonly #settings: ApplicationsSettings;
  /** In the order of their start; those that have to end before the others are done one by one. */
  readonly #first: readonly (InitContainer | ContainerProcess)[];
  /** All that are to run side by side in the end. */
  readonly #lasting: readonly ContainerProcess[];
  readonly #main: readonly ContainerProcess[];
  #stopping = false;
  #silentSinceMs = 0;
  /** Process whose sockets were looked at when it first answered, by name. */
  readonly #lookedAt = new Map<string, number>();
  /** Of those that are to end, by name. */
  readonly #ends = new Map<string, ChildEnd>();
  #failures = 0;
  /** What was said already is not said again at every restart. */
  readonly #advised = new Set<string>();

  constructor(plan: WorkloadPlan, place: InstancePlace, mesh: MeshServices, settings: ApplicationsSettings) {
    this.#plan = plan;
    this.#place = place;
    this.#mesh = mesh;
    this.#settings = settings;
    this.#first = plan.initContainers.map((container) => {
      const name = `${place.name}.${container.name}`;
      return container.staysRunning
        ? this.#process(container, name, {})
        : this.#initContainer(container, name);
    });
    this.#main = plan.containers.map((container, at) =>
      this.#process(container, at === 0 ? place.name : `${place.name}.${container.name}`, this.#endPolicy()),
    );
    const beside = this.#first.filter((part) => part instanceof ContainerProcess);
    this.#lasting = [...beside, ...this.#main];
  }

  get running(): boolean {
    return this.#lasting.every(({ identity }) => identity !== undefined);
  }

  /** Runs that have failed of containers that were started again. */
  get failures(): number {
    return this.#failures;
  }

  start(): void {
    void this.#startInOrder();
  }

  async #startInOrder(): Promise<void> {
    for (const part of this.#first) {
      if (this.#stopping) return;
      if (part instanceof InitContainer) {
        if (!(await part.run()) && !this.#stopping) {
          this.#settings.onDone('failed');
          return;
        }
      } else {
        part.start();
        await part.whenUp();
      }
    }
    if (this.#stopping) return;
    this.#silentSinceMs = performance.now();
    for (const process of this.#main) process.start();
  }

  /** The application first, and then in reverse order what was there before it. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const { graceMs } = this.#plan;
    const startedMs = performance.now();
    await Promise.all(this.#main.map((process) => process.stop(graceMs)));
    for (const part of this.#first.toReversed()) {
      await part.stop(Math.max(LEAST_GRACE_MS, graceMs - (performance.now() - startedMs)));
    }
  }

  kill(): void {
    this.#stopping = true;
    for (const part of [...this.#main, ...this.#first]) part.kill();
  }

  /** Whether every container takes requests. */
  async answer(timeoutMs: number): Promise<boolean> {
    if (!this.running) return false;
    const answers = await Promise.all(this.#lasting.map((process) => process.answers(timeoutMs)));
    return answers.every(Boolean) && this.running;
  }

  answered(): void {
    this.#silentSinceMs = performance.now();
    // One that listens on every address answers too, and is open to more than its sidecar.
    for (const { identity, name, plan } of this.#lasting) {
      if (identity === undefined || this.#lookedAt.get(name) === identity.pid) continue;
      this.#lookedAt.set(name, identity.pid);
      this.#adviseRunning(plan, name, identity.pid);
    }
  }

  /** It did not answer just now; after a while somebody is told why, if that can be seen. */
  missed(): void {
    if (performance.now() - this.#silentSinceMs < SILENT_MS) return;
    this.#silentSinceMs = performance.now();
    for (const { identity, name, plan, reason } of this.#lasting) {
      if (identity === undefined) continue;
      if (reason !== '') this.#advise(name, [`not ready, as its probe says: ${reason}`]);
      this.#adviseRunning(plan, name, identity.pid);
    }
  }

  #adviseRunning(container: ContainerPlan, name: string, session: number): void {
    if (this.#mesh.network !== undefined) return;
    this.#advise(name, listenAdvice(container, this.#place.applicationAddress, { session }));
  }

  processes(): readonly (ProcessIdentity & { readonly name: string })[] {
    return [...this.#first, ...this.#main].flatMap(({ identity, name }) =>
      identity === undefined ? [] : [{ ...identity, name }],
    );
  }

  /** Of an application that is to end: which end of a container is its last. */
  #endPolicy(): Pick<ContainerProcessDeps, 'isLast'> {
    const { job } = this.#plan;
    return job === undefined ? {} : { isLast: ({ code }) => !job.restarts || code === 0 };
  }

  #process(
    container: ContainerPlan,
    name: string,
    end: Pick<ContainerProcessDeps, 'isLast'>,
  ): ContainerProcess {
    return new ContainerProcess(name, container, {
      ...end,
      watchdog: this.#mesh.watchdog,
      address: this.#place.applicationAddress,
      ...(this.#mesh.network !== undefined && { doorway: this.#mesh.network.doorway }),
      inPlace: (spec) => this.#inPlace(spec, container),
      graceMs: this.#plan.graceMs,
      env: () => this.#environment(container).all,
      spec: () => this.#spec(container, name),
      onChange: (what) => {
        if (what === 'started') this.#mesh.onChange(this);
        else this.#settings.onChange();
      },
      onEnd: (end, restartInMs) => {
        this.#settings.onChange();
        this.#ended(container, name, end, restartInMs);
      },
      tell: (message) => this.#mesh.tell('warning', name, message),
    });
  }

  #initContainer(container: ContainerPlan, name: string): InitContainer {
    return new InitContainer(name, {
      watchdog: this.#mesh.watchdog,
      spec: () => this.#spec(container, name),
      onStart: () => this.#mesh.onChange(this),
      triedAgain: this.#plan.job?.restarts ?? true,
      onFailed: (end, againInMs) => this.#ended(container, name, end, againInMs),
    });
  }

  #environment(container: ContainerPlan): ApplicationEnvironment {
    const { environment, places } = this.#mesh;
    const { services, servicePorts, grpcBootstrap, volumes } = this.#settings;
    const { completionIndex } = this.#place;
    return applicationEnvironment({
      base: environment,
      pathWithNode: pathWithNode(environment.PATH),
      pod: podFactsOf(this.#plan, this.#place, this.#mesh),
      captured: this.#mesh.network !== undefined,
      applicationAddress: this.#place.applicationAddress,
      container,
      services,
      servicePorts,
      ...(completionIndex !== undefined && { completionIndex }),
      volumes: volumes.seenBy(container, this.#mesh.network !== undefined),
      controlAddress: places.controlAddress,
      ...(this.#plan.sidecar !== 'none' && { sidecarAddress: this.#place.meshAddress }),
      ...(grpcBootstrap !== undefined && { grpcBootstrap }),
    });
  }

  #spec(container: ContainerPlan, name: string): ChildSpec {
    const { own, all } = this.#environment(container);
    const { command, imageWords, workingDirectory } = container;
    const spec = {
      command: command.map((word, at) => (at < imageWords ? expandVolumes(word, own) : expand(word, own))),
      workingDirectory,
      logPath: this.#mesh.places.log(name),
      env: all,
    };
    return this.#inPlace(spec, container);
  }

  #inPlace(spec: ChildSpec, { name }: ContainerPlan): ChildSpec {
    return this.#settings.network()?.application(spec, name) ?? spec;
  }

  /** @param restartInMs undefined: it was the last end of that container */
  #ended(container: ContainerPlan, name: string, end: ChildEnd, restartInMs: number | undefined): void {
    if (restartInMs !== undefined || end.code !== 0) this.#tellEnd(container, name, end, restartInMs);
    if (restartInMs !== undefined) {
      this.#failures++;
      this.#mesh.onChange(this);
      return;
    }
    this.#ends.set(name, end);
    if (!this.#main.every((process) => this.#ends.has(process.name))) return;
    const failed = [...this.#ends.values()].some(({ code }) => code !== 0);
    this.#settings.onDone(failed ? 'failed' : 'completed');
  }

  #tellEnd(container: ContainerPlan, name: string, end: ChildEnd, restartInMs: number | undefined): void {
    tellEnd(this.#mesh, name, end, restartInMs);
    if (this.#mesh.network !== undefined) return;
    const wrote = logEnd(this.#mesh.places.log(name), end.logStart).join('\n');
    this.#advise(name, listenAdvice(container, this.#place.applicationAddress, { logEnd: wrote }));
  }

  #advise(name: string, [what, ...more]: readonly string[]): void {
    if (what === undefined || this.#advised.has(what)) return;
    this.#advised.add(what);
    this.#mesh.tell('warning', name, what, more);
  }
}
