/** The application of one instance: a process for each of its containers. */
import type { ChildEnd, ChildSpec } from '#host/process.ts';
import type { ProcessIdentity } from '#host/process-identity.ts';
import { pathWithNode } from '#host/self.ts';
import { listenAdvice } from './advice.ts';
import { logEnd, tellEnd } from './end-report.ts';
import { applicationEnvironment } from './environment.ts';
import type { InstancePlace } from './instance.ts';
import type { MeshServices } from './mesh-services.ts';
import { Supervised } from './supervised.ts';
import type { ContainerPlan, ServicePortPlan, WorkloadPlan } from './workload-plan.ts';

export interface ApplicationsSettings {
  readonly services: readonly ServicePortPlan[];
  readonly servicePorts: ReadonlyMap<string, number>;
  readonly grpcBootstrap: string | undefined;
  /** One of the processes has ended. */
  onEnd(): void;
}

/** An application that has not answered for so long is looked at: where does it listen instead? */
const SILENT_MS = 3_000;

export class Applications {
  readonly #plan: WorkloadPlan;
  readonly #place: InstancePlace;
  readonly #mesh: MeshServices;
  readonly #settings: ApplicationsSettings;
  readonly #processes: readonly Supervised[];
  #silentSinceMs = 0;
  /** Process whose sockets were looked at when it first answered, by name. */
  readonly #lookedAt = new Map<string, number>();
  /** What was said already is not said again at every restart. */
  readonly #advised = new Set<string>();

  constructor(plan: WorkloadPlan, place: InstancePlace, mesh: MeshServices, settings: ApplicationsSettings) {
    this.#plan = plan;
    this.#place = place;
    this.#mesh = mesh;
    this.#settings = settings;
    this.#processes = plan.containers.map((container, at) => this.#supervise(container, at));
  }

  get running(): boolean {
    return this.#processes.every(({ identity }) => identity !== undefined);
  }

  start(): void {
    this.#silentSinceMs = performance.now();
    for (const process of this.#processes) process.start();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#processes.map((process) => process.stop(this.#plan.graceMs)));
  }

  kill(): void {
    for (const process of this.#processes) process.kill();
  }

  answered(): void {
    this.#silentSinceMs = performance.now();
    // One that listens on every address answers too, and is open to more than its sidecar.
    for (const [at, { identity, name }] of this.#processes.entries()) {
      if (identity === undefined || this.#lookedAt.get(name) === identity.pid) continue;
      this.#lookedAt.set(name, identity.pid);
      this.#adviseRunning(at, name, identity.pid);
    }
  }

  /** It did not answer just now; after a while somebody is told why, if that can be seen. */
  missed(): void {
    if (performance.now() - this.#silentSinceMs < SILENT_MS) return;
    this.#silentSinceMs = performance.now();
    for (const [at, { identity, name }] of this.#processes.entries()) {
      if (identity === undefined) continue;
      this.#adviseRunning(at, name, identity.pid);
    }
  }

  #adviseRunning(at: number, name: string, session: number): void {
    const container = this.#plan.containers[at]!;
    this.#advise(name, listenAdvice(container, this.#place.applicationAddress, { session }));
  }

  processes(): readonly (ProcessIdentity & { readonly name: string })[] {
    return this.#processes.flatMap(({ identity, name }) =>
      identity === undefined ? [] : [{ ...identity, name }],
    );
  }

  #supervise(container: ContainerPlan, at: number): Supervised {
    const { name: pod } = this.#place;
    const name = at === 0 ? pod : `${pod}.${container.name}`;
    return new Supervised(name, async () => this.#spec(container, name), this.#mesh.watchdog, {
      onStart: () => this.#mesh.onChange(this),
      onEnd: (end, restartInMs) => {
        this.#settings.onEnd();
        this.#tellEnd(container, name, end, restartInMs);
      },
    });
  }

  #spec(container: ContainerPlan, name: string): ChildSpec {
    const { environment, places } = this.#mesh;
    const { services, servicePorts, grpcBootstrap } = this.#settings;
    return {
      command: container.command,
      workingDirectory: container.workingDirectory,
      logPath: places.log(name),
      env: applicationEnvironment({
        base: environment,
        pathWithNode: pathWithNode(environment.PATH),
        pod: this.#place.name,
        namespace: this.#plan.namespace,
        applicationAddress: this.#place.applicationAddress,
        container,
        services,
        servicePorts,
        controlAddress: places.controlAddress,
        ...(this.#plan.sidecar !== 'none' && { sidecarAddress: this.#place.meshAddress }),
        ...(grpcBootstrap !== undefined && { grpcBootstrap }),
      }),
    };
  }

  #tellEnd(container: ContainerPlan, name: string, end: ChildEnd, restartInMs: number): void {
    tellEnd(this.#mesh, name, end, restartInMs);
    const wrote = logEnd(this.#mesh.places.log(name), end.logStart).join('\n');
    this.#advise(name, listenAdvice(container, this.#place.applicationAddress, { logEnd: wrote }));
  }

  #advise(name: string, [what, ...more]: readonly string[]): void {
    if (what === undefined || this.#advised.has(what)) return;
    this.#advised.add(what);
    this.#mesh.tell('warning', name, what, more);
  }
}
