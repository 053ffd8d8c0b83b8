/** One process that is kept running: restarted when it ends, with growing pauses while it keeps ending. */
import { Child, type ChildEnd, type ChildSpec } from '#host/process.ts';
import type { ProcessIdentity } from '#host/process-identity.ts';
import type { Watchdog } from '#host/watchdog.ts';

export interface SupervisedEvents {
  /** It runs; it need not be ready. */
  onStart(): void;
  /** It ended without being told to, or could not be prepared; it comes back after `restartInMs`. */
  onEnd(end: ChildEnd, restartInMs: number): void;
}

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 10_000;
/** Whoever has run this long starts again with the first pause. */
const LONG_RUN_MS = 10_000;

/** The pause before restart number `failures` (from 1) in a row. */
export function restartPauseMs(failures: number): number {
  return Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), MAX_PAUSE_MS);
}

// waiting -> running -> (pausing -> running)* -> stopped
export class Supervised {
  readonly name: string;
  readonly #prepare: () => Promise<ChildSpec>;
  readonly #watchdog: Watchdog;
  readonly #events: SupervisedEvents;
  #child: Child | undefined;
  #failures = 0;
  #stopping = false;
  #wake: (() => void) | undefined;
  #loop: Promise<void> | undefined;

  /** @param prepare called before each start; what it gives may differ, such as a fresh join token */
  constructor(name: string, prepare: () => Promise<ChildSpec>, watchdog: Watchdog, events: SupervisedEvents) {
    this.name = name;
    this.#prepare = prepare;
    this.#watchdog = watchdog;
    this.#events = events;
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /** The running process, or undefined between two runs. */
  get identity(): ProcessIdentity | undefined {
    return this.#child?.end === undefined ? this.#child?.identity : undefined;
  }

  /** Ends in a row without a long run between them. */
  get failures(): number {
    return this.#failures;
  }

  /** Ends it for good. `graceMs` from SIGTERM to SIGKILL. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    this.#wake?.();
    await this.#child?.stop(graceMs);
    await this.#loop;
  }

  /** SIGKILL, now, for good. */
  kill(): void {
    this.#stopping = true;
    this.#wake?.();
    this.#child?.signal('SIGKILL');
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      const startedAt = performance.now();
      const end = await this.#runOnce();
      if (this.#stopping) return;
      this.#failures = performance.now() - startedAt > LONG_RUN_MS ? 1 : this.#failures + 1;
      const pauseMs = restartPauseMs(this.#failures);
      this.#events.onEnd(end, pauseMs);
      await this.#pause(pauseMs);
    }
  }

  async #runOnce(): Promise<ChildEnd> {
    try {
      const spec = await this.#prepare();
      if (this.#stopping) return notStarted('stopped');
      this.#child = new Child(spec, this.#watchdog);
    } catch (error) {
      return notStarted((error as Error).message);
    }
    if (this.#child.pid !== undefined) this.#events.onStart();
    return this.#child.ended;
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(end, milliseconds);
      this.#wake = end;
    });
  }
}

function notStarted(error: string): ChildEnd {
  return { code: undefined, signal: undefined, error, logStart: 0 };
}
