/** A short fuzz of every target with a new seed, and every input that broke one before. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { seededRandom } from '#core/random.ts';
import { corpusOf, fuzz } from '../fuzz/fuzzer.ts';
import { split } from '../fuzz/mutation.ts';
import { targets } from '../fuzz/targets.ts';

const folder = join(import.meta.dirname, '../fuzz');
const RUNS = 1500;
const seed = Number(process.env.HEDDLE_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));

for (const target of targets) {
  test(`${target.name} bears mutated bytes (HEDDLE_FUZZ_SEED=${seed})`, () => {
    const { finding, kept } = fuzz(
      target,
      corpusOf(join(folder, 'corpus', target.name)),
      seed,
      (runs) => runs < RUNS,
    );
    if (finding !== undefined) {
      assert.fail(`${finding.reason}\n${JSON.stringify(finding.input.toString('latin1'))}`);
    }
    assert.ok(kept.length > target.seeds.length, 'no mutation led anywhere new');
  });
}

describe('what broke a target once', () => {
  for (const file of readdirSync(join(folder, 'regressions')).filter((name) => name.endsWith('.bin'))) {
    test(file, () => {
      const target = targets.find(({ name }) => file.startsWith(`${name}-`))!;
      const input = readFileSync(join(folder, 'regressions', file));
      const whole = target.run([Buffer.from(input)]);
      const random = seededRandom(1);
      for (let i = 0; i < 20; i++) assert.equal(target.run(split(Buffer.from(input), random)), whole);
      assert.equal(target.run([...input].map((byte) => Buffer.from([byte]))), whole);
    });
  }
});
