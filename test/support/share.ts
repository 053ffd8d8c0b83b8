/** Whether answers divide as weights say, which is a matter of chance. */
import assert from 'node:assert/strict';
import { tally } from './tally.ts';

export interface ShareSettings {
  readonly requests?: number;
  readonly tolerancePoints?: number;
}

/**
 * Asks a thousand times and compares the shares with `percents`, which name every answer there may be.
 * Four points are three standard deviations of a share of 20 %: one draw in six hundred lies outside, so
 * it is drawn again once before that counts.
 */
export async function assertShares<Answer extends string>(
  ask: () => Promise<Answer>,
  percents: Readonly<Record<Answer, number>>,
  { requests = 1000, tolerancePoints = 4 }: ShareSettings = {},
): Promise<void> {
  const farthest = async (): Promise<number> => {
    const counts = await tally(requests, ask);
    assert.deepEqual([...counts.keys()].sort(), Object.keys(percents).sort());
    const distances = [...counts].map(([answer, count]) =>
      Math.abs((count / requests) * 100 - percents[answer]),
    );
    return Math.max(...distances);
  };
  const points = await farthest();
  if (points <= tolerancePoints) return;
  const again = await farthest();
  assert.ok(again <= tolerancePoints, `${points} and ${again} points from ${JSON.stringify(percents)}`);
}
