/** Long work in short slices: between two of them the event loop serves traffic. */

/** Longest stretch of work without a pause. */
const SLICE_MS = 2;

/** Call it between two units of work; it waits only when the slice is used up. */
export type Breathe = () => Promise<void> | undefined;

export function timeSlices(nowMs: () => number = () => performance.now()): Breathe {
  let startedMs = nowMs();
  return () => {
    if (nowMs() - startedMs < SLICE_MS) return undefined;
    return new Promise((resolve) => {
      setImmediate(() => {
        startedMs = nowMs();
        resolve();
      });
    });
  };
}
