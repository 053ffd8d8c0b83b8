/**
 * Gives memory back that nobody needs: after the start, whose garbage is larger than what stays, and
 * whenever a busy time is over. Needs `--expose-gc`; without it V8 does so in its own time, if ever.
 */
import { performance } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';

/** After the start: what came with it has been answered. */
const AFTER_START_MS = 500;
/** How often to look whether it is quiet. */
const LOOK_MS = 10_000;
/** Below, nobody waits for the few milliseconds a collection takes. */
const QUIET_RATIO = 0.005;
/** What has to be there to be given back. */
const WORTH_BYTES = 2 * 1024 * 1024;

/** The result ends it. */
export function trimHeap(): () => void {
  const { gc } = globalThis;
  if (gc === undefined) return () => {};
  let keptBytes = 0;
  const trim = (): void => {
    gc({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    keptBytes = getHeapStatistics().total_physical_size;
  };
  let utilization = performance.eventLoopUtilization();
  const look = (): void => {
    const now = performance.eventLoopUtilization();
    const since = performance.eventLoopUtilization(now, utilization);
    utilization = now;
    if (since.utilization > QUIET_RATIO) return;
    if (getHeapStatistics().total_physical_size > keptBytes + WORTH_BYTES) trim();
  };
  const first = setTimeout(trim, AFTER_START_MS).unref();
  const timer = setInterval(look, LOOK_MS).unref();
  return () => {
    clearTimeout(first);
    clearInterval(timer);
  };
}
