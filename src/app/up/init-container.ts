/** A container that has to end well before the others start: run until it does, with growing pauses, or once. */
import { Child, type ChildEnd, type ChildSpec } from '#host/process.ts';
import type { ProcessIdentity } from '#host/process-identity.ts';
import type { Watchdog } from '#host/watchdog.ts';
import { Pause } from './pause.ts';
import { restartPauseMs } from './supervised.ts';

export interface InitContainerDeps {
  readonly watchdog: Watchdog;
  spec(): ChildSpec;
  onStart(): void;
  /** Whether it is tried again when it has not ended well. */
  readonly triedAgain: boolean;
  /** It has not ended well. @param againInMs undefined: it is not tried again */
  onFailed(end: ChildEnd, againInMs: number | undefined): void;
}

export class InitContainer {
  readonly name: string;
  readonly #deps: InitContainerDeps;
  #child: Child | undefined;
  #stopping = false;
  readonly #pause = new Pause();

  constructor(name: string, deps: InitContainerDeps) {
    this.name = name;
    this.#deps = deps;
  }

  get identity(): ProcessIdentity | undefined {
    return this.#child?.end === undefined ? this.#child?.identity : undefined;
  }

  /** Resolves when it is not to run any more. @returns whether it has ended well */
  async run(): Promise<boolean> {
    for (let failures = 1; !this.#stopping; failures++) {
      const end = await this.#runOnce();
      if (this.#stopping || end.code === 0) return end.code === 0;
      if (!this.#deps.triedAgain) {
        this.#deps.onFailed(end, undefined);
        return false;
      }
      const pauseMs = restartPauseMs(failures);
      this.#deps.onFailed(end, pauseMs);
      await this.#pause.wait(pauseMs);
    }
    return false;
  }

  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    this.#pause.end();
    await this.#child?.stop(graceMs);
  }

  kill(): void {
    this.#stopping = true;
    this.#pause.end();
    this.#child?.signal('SIGKILL');
  }

  async #runOnce(): Promise<ChildEnd> {
    try {
      this.#child = new Child(this.#deps.spec(), this.#deps.watchdog);
    } catch (error) {
      return { code: undefined, signal: undefined, error: (error as Error).message, logStart: 0 };
    }
    if (this.#child.pid !== undefined) this.#deps.onStart();
    return this.#child.ended;
  }
}
