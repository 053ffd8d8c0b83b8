/**
 * Fuzzes by hand, for as long as asked:
 *   npm run fuzz -- [TARGET…] [--seconds N] [--seed N] [--save]
 * What breaks a target is written to `test/fuzz/regressions/TARGET-HASH.bin`, which `npm run check` runs from then on.
 * `--save` keeps, in `test/fuzz/corpus/TARGET`, small inputs that reach all the code that was reached.
 */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { minimised, saveCorpus } from './corpus.ts';
import { corpusOf, fuzz } from './fuzzer.ts';
import { targets } from './targets.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string' },
    save: { type: 'boolean', default: false },
  },
});
const chosen = targets.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
if (chosen.length === 0) {
  console.error(`no such target; there are: ${targets.map(({ name }) => name).join(', ')}`);
  process.exit(64);
}
for (const target of chosen) {
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
  const endMs = performance.now() + (Number(values.seconds) * 1000) / chosen.length;
  const folder = join(import.meta.dirname, 'corpus', target.name);
  const corpus = corpusOf(folder);
  const { runs, kept, finding } = fuzz(target, corpus, seed, () => performance.now() < endMs);
  console.log(`${target.name}: seed ${seed}, ${runs} runs, ${kept.length} inputs kept`);
  if (values.save && finding === undefined) saveCorpus(folder, minimised(target, kept));
  if (finding === undefined) continue;
  const hash = createHash('sha256').update(finding.input).digest('hex').slice(0, 12);
  const file = join(import.meta.dirname, 'regressions', `${target.name}-${hash}.bin`);
  writeFileSync(file, finding.input);
  console.error(`${finding.reason}\n${JSON.stringify(finding.input.toString('latin1'))}\nkept as ${file}`);
  process.exitCode = 1;
}
