/** Who is meant where a part of something is refused. */
import type { Random } from '#core/random.ts';
import type { OverloadState, ShedPoint } from './state.ts';

/** @param part from 0 (nobody) to 1 (everybody) */
export function isDrawn(part: number, random: Random): boolean {
  return part > 0 && (part === 1 || random.ratio() < part);
}

/** The same of a point of load shedding, counted. */
export function isShed(overload: Readonly<OverloadState>, point: ShedPoint, random: Random): boolean {
  if (!isDrawn(overload[point], random)) return false;
  overload.onShed(point);
  return true;
}
