/** The control plane of a local mesh: a child process, and the questions the runner has for it. */
import type { ChildSpec } from '#host/process.ts';
import type { ProcessIdentity } from '#host/process-identity.ts';
import { pathWithNode } from '#host/self.ts';
import { controlCommand } from './children.ts';
import { cleanEnvironment } from './environment.ts';
import { Helper } from './helper.ts';
import { MachineSocket } from './machine-socket.ts';
import { ports } from './mesh-places.ts';
import type { MeshServices } from './mesh-services.ts';
import { saysReady } from './readiness.ts';

export interface ControlPlaneSettings {
  readonly name: string;
  readonly paths: readonly string[];
  readonly allowUnsupported: readonly string[];
}

/** Starts before somebody is told that it does not. */
const TRIES = 3;
const GRACE_MS = 5_000;
/** A proxy that does not answer must not hold up a stop. */
const HEARD_WITHIN_MS = 10_000;

export class ControlPlane {
  readonly #helper: Helper;
  readonly #socket: MachineSocket | undefined;
  readonly #mesh: MeshServices;

  constructor(settings: ControlPlaneSettings, mesh: MeshServices) {
    const { places, environment } = mesh;
    this.#mesh = mesh;
    const { network } = mesh;
    // People find it on this machine, wherever it runs.
    this.#socket = network && new MachineSocket(places.apiAddress, ports.controlApi);
    const sockets = this.#socket && { sockets: [this.#socket.handed] };
    const inPlace = (spec: ChildSpec): ChildSpec => network?.besideBridge({ ...spec, ...sockets }) ?? spec;
    this.#helper = new Helper(
      {
        name: 'control',
        prepare: async () =>
          inPlace({
            command: controlCommand(places, { ...settings, podFolder: mesh.pods.path }),
            env: cleanEnvironment(environment, pathWithNode(environment.PATH)),
            workingDirectory: process.cwd(),
            logPath: places.log('control'),
          }),
        isReady: () => saysReady(`${places.apiUrl}/ready`),
        onChange: () => mesh.onChange(this),
        graceMs: GRACE_MS,
      },
      mesh,
    );
  }

  get ready(): boolean {
    return this.#helper.ready;
  }

  /** Whether it ends again and again before it was ever ready: waiting longer is of no use. */
  get hopeless(): boolean {
    return this.#helper.failures >= TRIES;
  }

  start(): void {
    this.#helper.start();
  }

  async stop(): Promise<void> {
    await this.#helper.stop();
    this.#socket?.close();
  }

  kill(): void {
    this.#helper.kill();
  }

  processes(): readonly (ProcessIdentity & { readonly name: string })[] {
    return this.#helper.processes();
  }

  /** Resolves when every proxy has taken in what changed just now, or does not want to within a bound. */
  async endpointsHeard(): Promise<void> {
    const late = await this.#mesh.distributed(HEARD_WITHIN_MS).catch(() => []); // nobody is there to tell them
    if (late.length > 0) {
      this.#mesh.tell('warning', 'control', `the newest endpoints are not heard by ${late.join(', ')}`);
    }
  }
}
