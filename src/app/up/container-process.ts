/**
 * One container of an instance: its process, kept running; what is done when it has started and before it ends
 * (Kubernetes, `lifecycle`); its probes.
 */
import { isAnswering } from '#host/listening.ts';
import type { ChildEnd, ChildSpec } from '#host/process.ts';
import type { ProcessIdentity } from '#host/process-identity.ts';
import type { Watchdog } from '#host/watchdog.ts';
import { ContainerHealth } from '../probe/container-health.ts';
import { type ProbedContainer, performHook, performProbe } from '../probe/perform-probe.ts';
import { Supervised } from './supervised.ts';
import type { ContainerPlan } from './workload-plan.ts';

export interface ContainerProcessDeps {
  readonly watchdog: Watchdog;
  readonly address: string;
  /** By which the address is reached; absent: it is one of this machine. */
  readonly doorway?: string;
  /** A command that runs where the container does. */
  inPlace(spec: ChildSpec): ChildSpec;
  /** From SIGTERM to SIGKILL, what is done before included. */
  readonly graceMs: number;
  /** What its commands are given. */
  env(): Readonly<Record<string, string>>;
  spec(): ChildSpec;
  /** It runs, or says something else about itself. */
  onChange(what: 'started' | 'judged'): void;
  /** Whether it is not started again after that; absent: it always is. */
  isLast?(end: ChildEnd): boolean;
  /** @param restartInMs undefined: never */
  onEnd(end: ChildEnd, restartInMs: number | undefined): void;
  /** Something a person should see. */
  tell(message: string): void;
}

/** What a process has at least between SIGTERM and SIGKILL, however long what is done before has taken. */
const LEAST_GRACE_MS = 2000;

export class ContainerProcess {
  readonly name: string;
  readonly plan: ContainerPlan;
  readonly #deps: ContainerProcessDeps;
  readonly #process: Supervised;
  readonly #health: ContainerHealth;
  /** Of this run, given up with it: what is done after its start, and before its end. */
  #postStart = new AbortController();
  #preStop = new AbortController();
  /** Whether what is done after its start is done. */
  #begun = false;
  #stopping = false;
  #waiting: (() => void)[] = [];

  constructor(name: string, plan: ContainerPlan, deps: ContainerProcessDeps) {
    this.name = name;
    this.plan = plan;
    this.#deps = deps;
    this.#health = new ContainerHealth(plan.probes, {
      perform: (action, limit) => performProbe(action, this.#probed(action.kind), limit),
      onChange: () => {
        deps.onChange('judged');
        this.#wake();
      },
      onFailed: (probe, reason, graceMs) => {
        deps.tell(`its ${probe} probe fails (${reason}): it is started anew`);
        void this.#restart(graceMs ?? deps.graceMs);
      },
    });
    this.#process = new Supervised(name, async () => deps.spec(), deps.watchdog, {
      onStart: () => {
        void this.#started();
        deps.onChange('started');
      },
      ...(deps.isLast !== undefined && { isLast: deps.isLast }),
      onEnd: (end, restartInMs) => {
        this.#giveUp();
        this.#begun = false;
        this.#postStart = new AbortController();
        this.#preStop = new AbortController();
        deps.onEnd(end, restartInMs);
      },
    });
  }

  start(): void {
    this.#process.start();
  }

  /** The running process, or undefined between two runs. */
  get identity(): ProcessIdentity | undefined {
    return this.#process.identity;
  }

  /** Why its probe says that it is not ready; '' where none does. */
  get reason(): string {
    return this.#health.reason;
  }

  /** Whether it takes requests: as its probes say, else while its ports answer. */
  async answers(timeoutMs: number): Promise<boolean> {
    if (this.identity === undefined || !this.#begun) return false;
    if (this.#health.decides) return this.#health.ready;
    const { address, doorway } = this.#deps;
    const ports = this.plan.ports.map(({ containerPort }) =>
      isAnswering({ host: address, port: containerPort, doorway }, timeoutMs),
    );
    return (await Promise.all(ports)).every(Boolean);
  }

  /** Resolves when it has started, as its startup probe says, or is not to run any more. */
  async whenUp(): Promise<void> {
    while (!this.#stopping && !(this.#begun && this.#health.isUp)) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Ends it for good. */
  async stop(graceMs: number = this.#deps.graceMs): Promise<void> {
    this.#stopping = true;
    this.#health.ended();
    this.#postStart.abort();
    this.#wake();
    const leftMs = await this.#beforeEnd(graceMs);
    await this.#process.stop(leftMs);
  }

  /** SIGKILL, now, for good. */
  kill(): void {
    this.#stopping = true;
    this.#giveUp();
    this.#wake();
    this.#process.kill();
  }

  /** Nobody wants to know any more how what is under way would end. */
  #giveUp(): void {
    this.#health.ended();
    this.#postStart.abort();
    this.#preStop.abort();
  }

  async #started(): Promise<void> {
    const { postStart } = this.plan.lifecycle;
    if (postStart !== undefined) {
      const { signal } = this.#postStart;
      const limit = { timeoutMs: this.#deps.graceMs, signal };
      const failure = await performHook(postStart, this.#probed(postStart.kind), limit);
      if (signal.aborted) return;
      if (failure !== '') {
        this.#deps.tell(`what is to be done after its start fails (${failure}): it is started anew`);
        await this.#restart(this.#deps.graceMs);
        return;
      }
    }
    this.#begun = true;
    this.#health.started();
    this.#wake();
  }

  async #restart(graceMs: number): Promise<void> {
    const { signal } = this.#preStop;
    const leftMs = await this.#beforeEnd(graceMs);
    if (!signal.aborted && !this.#stopping) await this.#process.restart(leftMs);
  }

  /** @returns what is left of the time it has */
  async #beforeEnd(graceMs: number): Promise<number> {
    const { preStop } = this.plan.lifecycle;
    if (preStop === undefined || this.identity === undefined) return graceMs;
    const startedMs = performance.now();
    const { signal } = this.#preStop;
    const limit = { timeoutMs: graceMs, signal };
    const failure = await performHook(preStop, this.#probed(preStop.kind), limit);
    if (failure !== '' && !signal.aborted)
      this.#deps.tell(`what is to be done before its end fails (${failure}); it ends all the same`);
    return Math.max(LEAST_GRACE_MS, graceMs - (performance.now() - startedMs));
  }

  #probed(kind: string): ProbedContainer {
    const { env, address, doorway, inPlace, watchdog } = this.#deps;
    const { workingDirectory } = this.plan;
    const commands = { inPlace, watchdog, env: kind === 'exec' ? env() : {}, workingDirectory };
    return { address, ...(doorway !== undefined && { doorway }), commands };
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
