/** Times that are drawn, so that what began together does not end together. */
import type { Random } from '#core/random.ts';
import type { Percent } from '#xds/gen/envoy/type/v3/percent_pb.js';
import type { Findings } from './findings.ts';

/** @param jitter by which part of it it may be longer, 0 to 1 */
export function jittered(ms: number, jitter: number, random: Random): number {
  return jitter === 0 ? ms : ms + ms * jitter * random.ratio();
}

/** @returns 0 to 1 */
export function readJitter(percent: Percent | undefined, path: string, findings: Findings): number {
  const value = percent?.value ?? 0;
  if (value < 0 || value > 100) findings.error(path, 'must be from 0 to 100');
  return value / 100;
}
