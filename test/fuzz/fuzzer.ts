/** Runs a target on mutated inputs, keeps inputs that make it say something new, and finds what breaks it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { seededRandom } from '#core/random.ts';
import { mutate, split } from './mutation.ts';
import type { FuzzTarget } from './target.ts';

export interface Finding {
  readonly input: Buffer;
  readonly reason: string;
}

export interface FuzzReport {
  readonly runs: number;
  /** Inputs that said something new, the seeds and the corpus among them. */
  readonly kept: readonly Buffer[];
  readonly finding: Finding | undefined;
}

const MAX_KEPT = 5000;
/** What was said longer ago is news again: a run of hours takes no more memory than one of minutes. */
const MAX_SEEN = 50_000;
/** One input may take so long on a busy machine. */
const HANG_MS = 2000;

export function corpusOf(folder: string): Buffer[] {
  try {
    return readdirSync(folder).map((name) => readFileSync(join(folder, name)));
  } catch {
    return [];
  }
}

/** @param more whether to go on, asked before each run */
export function fuzz(
  target: FuzzTarget,
  corpus: readonly Buffer[],
  seed: number,
  more: (runs: number) => boolean,
): FuzzReport {
  const random = seededRandom(seed);
  const pool: Buffer[] = [...target.seeds, ...corpus];
  const fixed = pool.length;
  const seen = new Set<string>();
  let runs = 0;
  for (; more(runs); runs++) {
    const from = pool[random.below(pool.length)]!;
    const input = runs < pool.length ? pool[runs]! : mutate(from, pool[random.below(pool.length)]!, random);
    let said: string;
    try {
      const began = performance.now();
      said = target.run([Buffer.from(input)]);
      const again = target.run(split(Buffer.from(input), random));
      if (again !== said) throw new Error(`split, it says other things:\n${said}\n---\n${again}`);
      if (performance.now() - began > HANG_MS) throw new Error('takes too long');
    } catch (error) {
      const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
      return { runs, kept: pool, finding: { input, reason } };
    }
    // What matters is the shape of what was said, not the values.
    const shape = said.replace(/[0-9]+/g, '#').slice(0, 2000);
    if (seen.has(shape)) continue;
    if (seen.size === MAX_SEEN) seen.clear();
    seen.add(shape);
    if (pool.length < MAX_KEPT) pool.push(input);
    else pool[fixed + random.below(MAX_KEPT - fixed)] = input;
  }
  return { runs, kept: pool, finding: undefined };
}
