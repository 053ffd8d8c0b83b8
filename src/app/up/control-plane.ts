/** The control plane of a local mesh: a child process, and the questions the runner has for it. */
import { setTimeout as wait } from 'node:timers/promises';
import { apiClient } from '#api/client.ts';
import type { ProcessIdentity } from '#host/process-identity.ts';
import { pathWithNode } from '#host/self.ts';
import { controlCommand } from './children.ts';
import { cleanEnvironment } from './environment.ts';
import { Helper } from './helper.ts';
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
/** From a changed Pod to the push: reading the folder and gathering what comes together. */
const SEEN_AFTER_MS = 150;
/** A proxy that does not answer must not hold up a stop. */
const HEARD_WITHIN_MS = 2_000;
const ASK_EVERY_MS = 50;

export class ControlPlane {
  readonly #helper: Helper;
  readonly #apiUrl: string;

  constructor(settings: ControlPlaneSettings, mesh: MeshServices) {
    const { places, environment } = mesh;
    this.#apiUrl = places.apiUrl;
    this.#helper = new Helper(
      {
        name: 'control',
        prepare: async () => ({
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

  stop(): Promise<void> {
    return this.#helper.stop();
  }

  kill(): void {
    this.#helper.kill();
  }

  processes(): readonly (ProcessIdentity & { readonly name: string })[] {
    return this.#helper.processes();
  }

  /** Resolves when every proxy has taken in what changed just now, or does not want to within a bound. */
  async endpointsHeard(): Promise<void> {
    await wait(SEEN_AFTER_MS);
    const deadline = performance.now() + HEARD_WITHIN_MS;
    const api = apiClient(this.#apiUrl);
    while (performance.now() < deadline) {
      try {
        const proxies = await api.proxies();
        if (proxies.every(({ types }) => types.EDS.state !== 'STALE')) return;
      } catch {
        return; // the control plane is away: nobody can be told anything
      }
      await wait(ASK_EVERY_MS);
    }
  }
}
