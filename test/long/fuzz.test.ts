/** Each fuzz target for minutes (`HEDDLE_FUZZ_SECONDS` each, 120 unless told), with a new seed. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { corpusOf, fuzz } from '../fuzz/fuzzer.ts';
import { targets } from '../fuzz/targets.ts';

const seconds = Number(process.env.HEDDLE_FUZZ_SECONDS ?? 120);

for (const target of targets) {
  test(target.name, (t) => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const corpus = corpusOf(join(import.meta.dirname, '../fuzz/corpus', target.name));
    const endMs = performance.now() + seconds * 1000;
    const { runs, kept, finding } = fuzz(target, corpus, seed, () => performance.now() < endMs);
    t.diagnostic(`seed ${seed}, ${runs} runs, ${kept.length} inputs kept`);
    if (finding !== undefined)
      assert.fail(`${finding.reason}\n${JSON.stringify(finding.input.toString('latin1'))}`);
    assert.ok(runs > 0);
  });
}
