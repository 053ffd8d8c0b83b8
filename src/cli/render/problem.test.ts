import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Problem } from '#core/problem.ts';
import { colours } from './colour.ts';
import { problemCount, problemLines } from './problem.ts';

const problem: Problem = {
  level: 'error',
  message: 'unknown field "rote"',
  path: 'spec.http[0].rote',
  at: { file: 'reviews.yaml', line: 2, column: 3 },
  fix: 'did you mean "route"?',
  resource: 'VirtualService default/reviews',
};

describe('problemLines', () => {
  test('place, thing, path, message, the line with a caret, and what to do', () => {
    assert.deepEqual(
      problemLines(problem, colours(false), () => 'http:\n- rote:\n'),
      [
        '✘ error: reviews.yaml:2:3: VirtualService default/reviews: spec.http[0].rote: unknown field "rote"',
        '    2 | - rote:',
        '      |   ^',
        '  did you mean "route"?',
      ],
    );
  });

  test('without a file only what is known', () => {
    const { at: _, fix: __, resource: ___, path: ____, ...bare } = problem;
    assert.deepEqual(
      problemLines({ ...bare, level: 'warning' }, colours(false), () => undefined),
      ['‼ warning: unknown field "rote"'],
    );
  });
});

test('problemCount', () => {
  assert.equal(problemCount([problem, problem, { level: 'warning', message: '' }]), '2 errors, 1 warning');
  assert.equal(problemCount([{ level: 'info', message: '' }]), undefined);
});
