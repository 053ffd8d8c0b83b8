/** Documents with random slips: every one is read or refused with a place, and none makes it throw. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { type Random, seededRandom } from '#core/random.ts';
import { loadDocuments } from './load.ts';

const examples = globSync(path.join(import.meta.dirname, '../../examples/bookstore/*.yaml')).sort();
const texts = examples.map((file) => readFileSync(file, 'utf8').split('\n'));

const slips = [
  '*a',
  '&a ',
  '{',
  ']',
  ': ',
  '- ',
  '"',
  '!!x ',
  '<<: ',
  '---',
  '|',
  '\t',
  'null',
  '-1',
  '1e400',
  '\0',
  '%',
  '__proto__',
];
const cases = 2000;

function mutate(lines: readonly string[], random: Random): string {
  const mutated = [...lines];
  for (let left = random.below(4) + 1; left > 0; left--) {
    const at = random.below(mutated.length);
    const line = mutated[at] ?? '';
    const column = random.below(line.length + 1);
    const slip = slips[random.below(slips.length)] ?? '';
    const changes = [
      (): unknown => mutated.splice(at, 1),
      (): unknown => mutated.splice(at, 0, mutated[random.below(mutated.length)] ?? ''),
      (): unknown => mutated.splice(at, 1, line.slice(0, column) + slip + line.slice(column)),
      (): unknown => mutated.splice(at, 1, line.slice(0, column) + line.slice(column + 2)),
      (): unknown => mutated.splice(at, 1, line.replace(/: .*/, `: ${slip}`)),
    ];
    changes[random.below(changes.length)]?.();
  }
  return mutated.join('\n');
}

test(`${cases} texts with slips`, () => {
  const random = seededRandom(42);
  let refused = 0;
  for (let i = 0; i < cases; i++) {
    const text = mutate(texts[random.below(texts.length)] ?? [], random);
    const { problems } = loadDocuments([{ file: 'x.yaml', text }]);
    const errors = problems.filter(({ level }) => level === 'error');
    for (const error of errors)
      assert.ok(error.at !== undefined, `${error.message} has no place in\n${text}`);
    if (errors.length > 0) refused++;
  }
  // Most slips are noticed; those in comments and values of free text are not.
  assert.ok(refused > cases / 2, `${refused} refused`);
});
