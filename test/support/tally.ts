/** Counts what many calls answer. */

/** Requests in flight at once: enough to be quick, few enough for a machine of two cores. */
const atOnce = 16;

/** Calls `ask` `count` times and counts its answers; rejects with the first failure. */
export async function tally<Answer>(count: number, ask: () => Promise<Answer>): Promise<Map<Answer, number>> {
  const counts = new Map<Answer, number>();
  let asked = 0;
  const worker = async (): Promise<void> => {
    while (asked < count) {
      asked++;
      const answer = await ask();
      counts.set(answer, (counts.get(answer) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, worker));
  return counts;
}
