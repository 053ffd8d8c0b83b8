/** Time as it is passed in: real in a process, wound by hand in a test. */

export interface Clock {
  /** Milliseconds since 1970. */
  wallMs(): number;
  /** Milliseconds that never go back, from an arbitrary start, with a fraction. */
  nowMs(): number;
  /** Runs `run` once, not before `delayMs`; the result ends it early. Does not keep a process alive. */
  after(delayMs: number, run: () => void): () => void;
}

/** What `setTimeout` gives on Node; absent in a browser. */
interface Detachable {
  unref?(): void;
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  nowMs: () => performance.now(),
  after(delayMs, run) {
    const handle = setTimeout(run, delayMs);
    (handle as unknown as Detachable).unref?.();
    return () => clearTimeout(handle);
  },
};

/** A clock that stands still until {@link FakeClock.advance}. */
export interface FakeClock extends Clock {
  /** Moves time on and runs, in order, what falls due on the way. */
  advance(byMs: number): void;
}

export function fakeClock(wallStartMs = 0): FakeClock {
  let nowMs = 0;
  let waiting: { readonly dueMs: number; readonly run: () => void }[] = [];
  return {
    wallMs: () => wallStartMs + nowMs,
    nowMs: () => nowMs,
    after(delayMs, run) {
      const entry = { dueMs: nowMs + delayMs, run };
      waiting.push(entry);
      return () => {
        waiting = waiting.filter((other) => other !== entry);
      };
    },
    advance(byMs) {
      const endMs = nowMs + byMs;
      for (;;) {
        const due = waiting.filter(({ dueMs }) => dueMs <= endMs).sort((a, b) => a.dueMs - b.dueMs)[0];
        if (due === undefined) break;
        waiting = waiting.filter((other) => other !== due);
        nowMs = Math.max(nowMs, due.dueMs);
        due.run();
      }
      nowMs = endMs;
    },
  };
}
