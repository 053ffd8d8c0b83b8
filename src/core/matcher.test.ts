import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asciiLowerCase, compileStringMatcher, type StringMatcherShape } from './matcher.ts';

const cases: [shape: StringMatcherShape, text: string, matches: boolean][] = [
  [{ matchPattern: { case: 'exact', value: 'a' }, ignoreCase: false }, 'a', true],
  [{ matchPattern: { case: 'exact', value: 'a' }, ignoreCase: false }, 'A', false],
  [{ matchPattern: { case: 'exact', value: 'A' }, ignoreCase: true }, 'a', true],
  [{ matchPattern: { case: 'prefix', value: 'ab' }, ignoreCase: false }, 'abc', true],
  [{ matchPattern: { case: 'suffix', value: 'bc' }, ignoreCase: false }, 'abc', true],
  [{ matchPattern: { case: 'suffix', value: 'bc' }, ignoreCase: false }, 'abcd', false],
  [{ matchPattern: { case: 'contains', value: 'B' }, ignoreCase: true }, 'abc', true],
  [{ matchPattern: { case: 'safeRegex', value: { regex: 'a|b' } }, ignoreCase: false }, 'ab', false],
];
for (const [shape, text, matches] of cases) {
  test(`${shape.matchPattern.case} on ${text}: ${matches}`, () => {
    const compiled = compileStringMatcher(shape);
    assert.ok(compiled.ok);
    assert.equal(compiled.matches(text), matches);
  });
}

test('what cannot be compiled says why', () => {
  assert.equal(compileStringMatcher({ matchPattern: { case: undefined }, ignoreCase: false }).ok, false);
  const bad = compileStringMatcher({
    matchPattern: { case: 'safeRegex', value: { regex: '(' } },
    ignoreCase: false,
  });
  assert.equal(bad.ok, false);
});

test('only A to Z have a lower case', () => assert.equal(asciiLowerCase('AzÄ'), 'azÄ'));
