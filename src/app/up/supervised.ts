/**
 * One process that is kept running: restarted when it ends, with growing pauses while it keeps ending; or until an end
 * is good enough.
 */
import { Child, type ChildEnd, type ChildSpec } from '#host/process.ts';
import type { ProcessIdentity } from '#host/process-identity.ts';
import type { Watchdog } from '#host/watchdog.ts';
import { Pause } from './pause.ts';

export interface SupervisedEvents {
  /** It runs; it need not be ready. */
  onStart(): void;
  /** Whether it is not started again after that; absent: it always is. */
  isLast?(end: ChildEnd): boolean;
  /**
   * It ended without being told to, or could not be prepared; it comes back after `restartInMs`, or never if that is
   * undefined.
   */
  onEnd(end: ChildEnd, restartInMs: number | undefined): void;
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
  /** It is to end, and to come back at once. */
  #restarting = false;
  readonly #pause = new Pause();
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
    this.#pause.end();
    await this.#child?.stop(graceMs);
    await this.#loop;
  }

  /** Ends it as {@link stop} does, and starts it anew; one that does not run is about to be started anyway. */
  async restart(graceMs: number): Promise<void> {
    if (this.#child === undefined || this.#child.end !== undefined) return;
    this.#restarting = true;
    await this.#child.stop(graceMs);
  }

  /** SIGKILL, now, for good. */
  kill(): void {
    this.#stopping = true;
    this.#pause.end();
    this.#child?.signal('SIGKILL');
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      const startedAt = performance.now();
      const end = await this.#runOnce();
      if (this.#stopping) return;
      if (this.#restarting) {
        this.#restarting = false;
        continue;
      }
      if (this.#events.isLast?.(end) === true) {
        this.#events.onEnd(end, undefined);
        return;
      }
      this.#failures = performance.now() - startedAt > LONG_RUN_MS ? 1 : this.#failures + 1;
      const pauseMs = restartPauseMs(this.#failures);
      this.#events.onEnd(end, pauseMs);
      await this.#pause.wait(pauseMs);
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
}

function notStarted(error: string): ChildEnd {
  return { code: undefined, signal: undefined, error, logStart: 0 };
}
