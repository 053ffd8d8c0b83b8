/** Runs a row of the control plane: afresh in every round. */
import type { Asked, Outcome } from './load-run.ts';
import { programOf, versionOf } from './program.ts';
import type { ControlRow } from './row.ts';

export async function runControlRow(row: ControlRow, asked: Asked): Promise<Outcome> {
  const found: Readonly<Record<string, number>>[] = [];
  try {
    for (let at = 0; at < asked.rounds; at++) {
      asked.progress(`round ${at + 1} of ${asked.rounds}`);
      found.push(await row.ask());
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { measured: [], shown: row.figures, failed: { heddle: reason } };
  }
  const samples = Object.keys(found[0] ?? {}).map(
    (name) => [name, found.map((one) => one[name] ?? 0)] as const,
  );
  const version = await versionOf(programOf('heddle'));
  return {
    measured: [{ name: 'heddle', version, samples: Object.fromEntries(samples) }],
    shown: row.figures,
    failed: {},
  };
}
