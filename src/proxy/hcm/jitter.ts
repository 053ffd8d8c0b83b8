/** Times that are drawn, so that what began together does not end together. */
import type { Random } from '#core/random.ts';

/** @param jitter by which part of it it may be longer, 0 to 1 */
export function jittered(ms: number, jitter: number, random: Random): number {
  return jitter === 0 ? ms : ms + ms * jitter * random.ratio();
}
