/** Every case in `testdata/`; `UPDATE_GOLDEN=1` writes down what comes out now. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { dump } from 'js-yaml';
import { formatProblem } from '#core/problem.ts';
import { readCase, shown, snapshotOfCase } from '../../../test/support/golden-case.ts';

const folder = path.join(import.meta.dirname, 'testdata');

const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));

test('there are as many cases as promised', () => assert.ok(files.length >= 150, `${files.length}`));

describe('translation', () => {
  for (const file of files) {
    test(path.basename(file, '.yaml'), () => {
      const text = readFileSync(path.join(folder, file), 'utf8');
      const golden = readCase(text, file);
      const snapshot = snapshotOfCase(golden);
      const problems = snapshot.problems.map(formatProblem);
      const expected = shown(snapshot, golden.show);
      if (process.env.UPDATE_GOLDEN === '1') {
        const written = text.slice(0, text.indexOf('\nexpected:') + 1);
        const results = dump({ expected, problems }, { lineWidth: 110, noRefs: true });
        writeFileSync(path.join(folder, file), written + results);
      } else {
        assert.deepEqual(problems, golden.problems);
        assert.deepEqual(expected, golden.expected);
      }
    });
  }
});
