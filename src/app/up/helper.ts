/** A process of ours (or a real Envoy) beside an application: supervised, and ready when it says so. */
import type { ChildSpec } from '#host/process.ts';
import type { ProcessIdentity } from '#host/process-identity.ts';
import { tellEnd } from './end-report.ts';
import type { MeshServices } from './mesh-services.ts';
import { Pulse } from './pulse.ts';
import { Supervised } from './supervised.ts';

export interface HelperSettings {
  /** Of its log, such as `reviews-v1-1.sidecar`. */
  readonly name: string;
  /** Called before each start. */
  prepare(): Promise<ChildSpec>;
  isReady(): Promise<boolean>;
  onChange(): void;
  /** From SIGTERM to SIGKILL: its drain time. */
  readonly graceMs: number;
}

const FAST_MS = 50;
const SLOW_MS = 1_000;

export class Helper {
  readonly name: string;
  readonly #supervised: Supervised;
  readonly #pulse: Pulse;
  readonly #graceMs: number;

  constructor(settings: HelperSettings, mesh: Pick<MeshServices, 'watchdog' | 'tell' | 'places'>) {
    const { name, prepare, isReady, onChange } = settings;
    this.name = name;
    this.#graceMs = settings.graceMs;
    this.#pulse = new Pulse({ check: isReady, onChange, fastMs: FAST_MS, slowMs: SLOW_MS });
    const prepared = async (): Promise<ChildSpec> => ({ ...(await prepare()), onSuccessor: onChange });
    this.#supervised = new Supervised(name, prepared, mesh.watchdog, {
      onStart: () => {
        this.#pulse.start();
        onChange();
      },
      onEnd: (end, restartInMs) => {
        this.#pulse.lost();
        tellEnd(mesh, name, end, restartInMs);
        onChange();
      },
    });
  }

  get ready(): boolean {
    return this.#pulse.answers && this.#supervised.identity !== undefined;
  }

  /** How often it has ended in a row, soon after its start. */
  get failures(): number {
    return this.#supervised.failures;
  }

  start(): void {
    this.#supervised.start();
  }

  /** Ends it; it comes back with what is prepared then. */
  async restart(): Promise<void> {
    this.#pulse.lost();
    await this.#supervised.restart(this.#graceMs);
  }

  async stop(): Promise<void> {
    this.#pulse.stop();
    await this.#supervised.stop(this.#graceMs);
  }

  kill(): void {
    this.#pulse.stop();
    this.#supervised.kill();
  }

  processes(): readonly (ProcessIdentity & { readonly name: string })[] {
    const { identity } = this.#supervised;
    return identity === undefined ? [] : [{ ...identity, name: this.name }];
  }
}
