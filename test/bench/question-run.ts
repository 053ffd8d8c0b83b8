/** Runs a row of questions: every contender afresh in every round, interleaved. */
import type { Bed } from './bed.ts';
import type { Asked, Outcome } from './load-run.ts';
import { type ContenderName, programOf, versionOf } from './program.ts';
import type { Measured } from './result.ts';
import type { QuestionRow } from './row.ts';

export async function runQuestionRow(row: QuestionRow, asked: Asked, bed: Bed): Promise<Outcome> {
  const answers = new Map<ContenderName, Readonly<Record<string, number>>[]>();
  const failed: Outcome['failed'] = {};
  for (let at = 0; at < asked.rounds; at++) {
    const { contenders } = asked;
    const order = contenders.map((_, index) => contenders[(index + at) % contenders.length]);
    for (const name of order) {
      if (name === undefined || name === 'direct' || failed[name] !== undefined) continue;
      asked.progress(`round ${at + 1} of ${asked.rounds}, ${name}`);
      try {
        const found = await row.ask({ name, bed, seconds: asked.seconds });
        answers.set(name, [...(answers.get(name) ?? []), found]);
      } catch (error) {
        failed[name] = error instanceof Error ? error.message : String(error);
      }
    }
  }
  const measured: Measured[] = [];
  for (const [name, found] of answers) {
    if (name === 'direct' || failed[name] !== undefined) continue;
    const names = Object.keys(found[0] ?? {});
    const samples = names.map((figure) => [figure, found.map((one) => one[figure] ?? 0)] as const);
    measured.push({ name, version: await versionOf(programOf(name)), samples: Object.fromEntries(samples) });
  }
  return { measured, shown: row.figures, failed };
}
