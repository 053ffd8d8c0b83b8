/** Waiting for something to become true, without a fixed sleep. */
import { setTimeout as wait } from 'node:timers/promises';

/**
 * Calls `attempt` until it neither throws nor rejects, and resolves to its result; after `timeoutMs`
 * it rejects with the last failure, and at once when `until` says that it is of no use any more.
 */
export async function eventually<T>(
  attempt: () => T | Promise<T>,
  {
    timeoutMs = 30_000,
    everyMs = 25,
    until = (): boolean => false,
  }: { readonly timeoutMs?: number; readonly everyMs?: number; readonly until?: () => boolean } = {},
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (until()) throw error;
      if (performance.now() >= deadline) {
        throw new Error(`not so within ${timeoutMs} ms`, { cause: error });
      }
      await wait(everyMs);
    }
  }
}
