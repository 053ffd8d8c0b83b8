/**
 * Whether the application of a registered workload can be called, as the control plane is told: while it listens on all of
 * its ports, by the tables of the kernel, which an application does not notice.
 */
import { readFile } from 'node:fs/promises';
import { isWildcard, parseSocketTable } from '#host/listening.ts';
import { capturePorts } from '#host/network/capture-rules.ts';
import { Pulse } from './up/pulse.ts';

export interface ApplicationHealthSettings {
  /** Of any process in its network. */
  readonly pid: number;
  /** Empty: it may be any that it listens on. */
  readonly ports: readonly number[];
  /** Whether somebody probes it besides; see {@link ApplicationHealth.setProbed}. */
  readonly isProbed: boolean;
}

/** @param failure undefined: it can be called */
export type ReportHealth = (failure: string | undefined) => void;

const FAST_MS = 100;
const SLOW_MS = 1_000;
/** Where a sidecar calls. */
const LOOPBACK = '127.0.0.1';
const sidecarPorts: ReadonlySet<number> = new Set(Object.values(capturePorts));

export class ApplicationHealth {
  readonly #settings: ApplicationHealthSettings;
  readonly #pulse: Pulse;
  #report: ReportHealth = () => {};
  #leaving = false;
  /** Undefined: it is well. */
  #probed: string | undefined;

  constructor(settings: ApplicationHealthSettings) {
    this.#settings = settings;
    this.#probed = settings.isProbed ? 'it has not been probed yet' : undefined;
    this.#pulse = new Pulse({
      check: () => this.#listens(),
      onChange: () => this.#report(this.failure),
      fastMs: FAST_MS,
      slowMs: SLOW_MS,
    });
  }

  /** Why it cannot be called now. */
  get failure(): string | undefined {
    if (this.#leaving) return 'it is about to end';
    if (this.#pulse.answers) return this.#probed;
    const { ports } = this.#settings;
    return ports.length === 0 ? 'it does not listen' : `it does not listen on ${ports.join(' and ')}`;
  }

  start(report: ReportHealth): void {
    this.#report = report;
    this.#pulse.start();
  }

  /** Whatever it does, nobody is to call it. */
  setLeaving(leaving: boolean): void {
    this.#leaving = leaving;
    this.#report(this.failure);
  }

  /** What comes of a probe. @param failure undefined: it has passed */
  setProbed(failure: string | undefined): void {
    this.#probed = failure;
    this.#report(this.failure);
  }

  stop(): void {
    this.#pulse.stop();
  }

  async #listens(): Promise<boolean> {
    const { pid, ports } = this.#settings;
    const tables = ['tcp', 'tcp6'].map((name) =>
      readFile(`/proc/${pid}/net/${name}`, 'latin1').catch(() => ''),
    );
    const open = (await Promise.all(tables))
      .flatMap(parseSocketTable)
      .filter(({ address }) => isWildcard(address) || address === LOOPBACK)
      .map(({ port }) => port)
      .filter((port) => !sidecarPorts.has(port));
    return ports.length === 0 ? open.length > 0 : ports.every((port) => open.includes(port));
  }
}
