/**
 * Gives memory back that nobody needs: after the start, whose garbage is larger than what stays, and
 * when much was taken since. A collection takes tens of milliseconds, so it waits for a quiet moment.
 * Needs `--expose-gc`, or {@link exposeCollection}; without it V8 does so in its own time, if ever.
 *
 * What optimised code counts on are the shapes of objects, which V8 forgets in such a collection where no object
 * has them; `src/core/last-of-kind.ts` keeps those of the data path. V8's own reducer of memory does the same at times of its
 * own choice, and is off.
 *
 * The pages that a collection frees go to a pool of V8's, and leave it a second after the next collection
 * (`--memory-pool-timeout`): so there are two, shortly after each other. What is not on the heap, such as buffers, glibc
 * keeps for the next who asks, until it is told to give it back.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { inSlices, type Steps } from '#core/time-slice.ts';
import { giveBackFreed } from '#host/malloc-trim.ts';

/** How often to look whether it is quiet: until it was for the first time, and from then on. */
const FIRST_LOOK_MS = 500;
const LOOK_MS = 5000;
/** After a collection that has to be followed by another. */
const AGAIN_MS = 1500;
/** With less than this share of a core used since the last look, nobody waits. */
const QUIET_RATIO = 0.005;
/** With less CPU time than this since the last collection, a proxy is not one that traffic comes and goes at. */
const COLD_MS = 500;
/** After so much, a collection is a hundredth of it or less, whatever it finds. */
const LONG_MS = 5000;
/** What has to be there to be given back, buffers and all: where little ran since the last collection, and where much did. */
const WORTH_COLD_BYTES = 2 * 1024 * 1024;
const WORTH_HOT_BYTES = 8 * 1024 * 1024;

/** Of V8. The code of a start is let go of, and that of traffic kept: else every burst would have to compile it anew. */
const KEEP_CODE = ['--no-flush-bytecode', '--no-flush-baseline-code'];

/** For a process that was started without `--expose-gc`, which does not go with a snapshot of its start. */
export function exposeCollection(): void {
  if (globalThis.gc !== undefined) return;
  setFlagsFromString('--expose-gc');
  globalThis.gc = runInNewContext('gc') as NonNullable<typeof globalThis.gc>;
}

function* nothing(): Steps<void> {}

/** What a bundle of `dist/` has: lets go of libraries that only a start needs. */
interface Forgetful {
  readonly heddleForget?: () => void;
}

/**
 * The result ends it.
 *
 * @param prepare lets go of what can be made again
 */
export function trimHeap(prepare: () => Steps<void> = nothing): () => void {
  const { gc } = globalThis;
  if (gc === undefined) return () => {};
  let keptBytes: number | undefined;
  let before = process.cpuUsage();
  let beforeMs = performance.now();
  const isQuiet = (): boolean => {
    const { user, system } = process.cpuUsage(before);
    const nowMs = performance.now();
    const usedMs = (user + system) / 1000;
    const quiet = usedMs < QUIET_RATIO * (nowMs - beforeMs);
    before = process.cpuUsage();
    beforeMs = nowMs;
    return quiet;
  };
  let collectedAt = process.cpuUsage();
  let poolIsFull = false;
  const isDue = (): boolean => {
    if (keptBytes === undefined || poolIsFull) return true;
    const { user, system } = process.cpuUsage(collectedAt);
    const usedMs = (user + system) / 1000;
    if (usedMs > LONG_MS) return true;
    const worthBytes = usedMs < COLD_MS ? WORTH_COLD_BYTES : WORTH_HOT_BYTES;
    const nowBytes = process.memoryUsage.rss();
    keptBytes = Math.min(keptBytes, nowBytes);
    return nowBytes > keptBytes + worthBytes;
  };
  const pauseMs = (): number => {
    if (poolIsFull) return AGAIN_MS;
    return keptBytes === undefined ? FIRST_LOOK_MS : LOOK_MS;
  };
  const look = async (): Promise<void> => {
    if (isQuiet() && isDue()) {
      await inSlices(prepare());
      (globalThis as Forgetful).heddleForget?.();
      const afterStart = keptBytes === undefined;
      gc({ type: 'major', execution: 'sync', flavor: afterStart ? 'last-resort' : 'regular' });
      if (afterStart) for (const flag of KEEP_CODE) setFlagsFromString(flag);
      // A last resort leaves nothing in the pool.
      poolIsFull = !afterStart && !poolIsFull;
      giveBackFreed();
      keptBytes = process.memoryUsage.rss();
      collectedAt = process.cpuUsage();
    }
    if (!ended) timer = setTimeout(look, pauseMs()).unref();
  };
  let ended = false;
  let timer = setTimeout(look, FIRST_LOOK_MS).unref();
  return () => {
    ended = true;
    clearTimeout(timer);
  };
}
