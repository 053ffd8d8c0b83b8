/** There are as many simulated meanings as the project promises: behaviours that are told apart, each once. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';

const promised = 200;

test(`at least ${promised} meanings, and none of them twice in one file`, (t) => {
  const files = globSync(join(import.meta.dirname, '*-meaning.test.ts'));
  const counts = files.map((file) => {
    const whys = [...readFileSync(file, 'utf8').matchAll(/\bwhy:\s+(['"`])(.*?)\1,/g)].map(
      ([, , why]) => why,
    );
    assert.equal(new Set(whys).size, whys.length, `${basename(file)} says the same twice`);
    return whys.length;
  });
  const count = counts.reduce((sum, one) => sum + one, 0);
  t.diagnostic(`${count} meanings in ${files.length} files`);
  assert.ok(count >= promised, `${count}`);
});
