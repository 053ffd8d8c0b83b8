/**
 * Long work in short slices. Work is a generator that yields between two small pieces; who runs it does so at
 * once, or in slices, between which the event loop serves others. However many run, one slice fits in a turn of
 * the loop.
 */

/** May be interrupted where it yields: every few hundred microseconds at least. */
export type Steps<T> = Generator<undefined, T, undefined>;

/** Longest stretch of work without a pause. */
const SLICE_MS = 1;
/**
 * And the pause, at least: a thread that is never idle is interrupted for others that have a right to the core, such as those
 * that compile, and for 4 ms at a time.
 */
const PAUSE_MS = 1;

export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const next = steps.next();
    if (next.done === true) return next.value;
  }
}

/** Work that is short enough. */
export function* oneStep<T>(work: () => T): Steps<T> {
  const result = work();
  yield;
  return result;
}

/** Steps inside a generator that makes something: where they may be interrupted, it yields `pause`. */
export function* pausing<T, Pause>(steps: Steps<T>, pause: Pause): Generator<Pause, T, undefined> {
  for (;;) {
    const next = steps.next();
    if (next.done === true) return next.value;
    yield pause;
  }
}

export async function inSlices<T>(steps: Steps<T>, breathe: Breathe = timeSlices()): Promise<T> {
  for (;;) {
    const next = steps.next();
    if (next.done === true) return next.value;
    const pause = breathe();
    if (pause !== undefined) await pause;
  }
}

/** Call it between two pieces of work; there is something to wait for only when the slice is used up. */
export type Breathe = () => Promise<void> | undefined;

export function timeSlices(nowMs: () => number = () => performance.now()): Breathe {
  let startedMs = nowMs();
  return () => {
    if (nowMs() - startedMs < SLICE_MS) return undefined;
    return new Promise((resolve) => {
      nextTurn(() => {
        startedMs = nowMs();
        resolve();
      });
    });
  };
}

/** Those that wait for a turn of the event loop, each for one of its own. */
const waiting: (() => void)[] = [];

function nextTurn(run: () => void): void {
  if (waiting.push(run) === 1) setTimeout(pollFirst, PAUSE_MS);
}

/** A timer may be due before the loop has looked at its sockets; what follows is behind that. */
function pollFirst(): void {
  setImmediate(takeTurn);
}

function takeTurn(): void {
  const run = waiting.shift();
  if (waiting.length > 0) setTimeout(pollFirst, PAUSE_MS);
  run?.();
}
