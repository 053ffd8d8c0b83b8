/**
 * Gives memory back that nobody needs: after the start, whose garbage is larger than what stays, and
 * whenever a busy time is over. Needs `--expose-gc`; without it V8 does so in its own time, if ever.
 */
/** After the start: what came with it has been answered. */
const AFTER_START_MS = 500;
/** How often to look whether it is quiet. */
const LOOK_MS = 10_000;
/** With less than this share of a core used, nobody waits for the few milliseconds a collection takes. */
const QUIET_RATIO = 0.005;
/** What has to be there to be given back. */
const WORTH_BYTES = 2 * 1024 * 1024;

/** What a bundle of `dist/` has: lets go of libraries that only a start needs. */
interface Forgetful {
  readonly heddleForget?: () => void;
}

/** The result ends it. */
export function trimHeap(): () => void {
  const { gc } = globalThis;
  if (gc === undefined) return () => {};
  let keptBytes = 0;
  const trim = (): void => {
    (globalThis as Forgetful).heddleForget?.();
    gc({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    keptBytes = process.memoryUsage().heapTotal;
  };
  let before = process.cpuUsage();
  const look = (): void => {
    const { user, system } = process.cpuUsage(before);
    before = process.cpuUsage();
    const usedMs = (user + system) / 1000;
    if (usedMs > QUIET_RATIO * LOOK_MS) return;
    if (process.memoryUsage().heapTotal > keptBytes + WORTH_BYTES) trim();
  };
  const first = setTimeout(trim, AFTER_START_MS).unref();
  const timer = setInterval(look, LOOK_MS).unref();
  return () => {
    clearTimeout(first);
    clearInterval(timer);
  };
}
