/** How connections are let go of in order (Envoy, "Draining"). */
import type { Clock } from '#core/clock.ts';

export interface Drainable {
  /** Responses from now on close their connections. Resolves when none is left. */
  drain(): Promise<void>;
  /** Ends connections on which nothing is under way. */
  closeIdle(): void;
  /** Ends everything now. */
  close(): void;
}

/** Connections on which nothing happens are closed this long after a drain began. */
const IDLE_GRACE_MS = 1000;

/** Resolves when nothing is left, after `drainTimeMs` at the latest. */
export async function drainWithin(what: Drainable, drainTimeMs: number, clock: Clock): Promise<void> {
  const drained = what.drain();
  const endIdle = clock.after(Math.min(IDLE_GRACE_MS, drainTimeMs / 2), () => what.closeIdle());
  let endAll: () => void = () => {};
  const late = new Promise<void>((resolve) => {
    endAll = clock.after(drainTimeMs, resolve);
  });
  await Promise.race([drained, late]);
  endIdle();
  endAll();
  what.close();
}
