import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { quantile, quartiles } from '../bench/measure/statistics.ts';

describe('quantile', () => {
  const cases: [sorted: number[], q: number, is: number, why: string][] = [
    [[7], 0.99, 7, 'one value is every quantile'],
    [[1, 2, 3], 0.5, 2, 'the middle one'],
    [[1, 2, 3, 4], 0.5, 2.5, 'half way between two'],
    [[0, 10], 0.99, 9.9, 'by interpolation'],
    [[], 0.5, Number.NaN, 'of none'],
  ];
  for (const [sorted, q, is, why] of cases) {
    test(`${q} of [${sorted}]: ${is} (${why})`, () => assert.equal(quantile(sorted, q), is));
  }
});

test('quartiles sort by size, not by text', () => {
  assert.deepEqual(quartiles([10, 9, 2, 1, 100]), { q1: 2, median: 9, q3: 10 });
});
