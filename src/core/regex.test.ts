import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compileRegex, highestGroup, type Regex } from './regex.ts';

function regex(source: string): Regex {
  const compiled = compileRegex(source);
  assert.ok(compiled.ok, source);
  return compiled.regex;
}

describe('matches', () => {
  const cases: [source: string, text: string, matches: boolean, why: string][] = [
    ['/a.*', '/abc', true, 'the fast way'],
    ['/a.*', '/a\nb', false, 'a dot is no line feed, either way'],
    ['a', 'ba', false, 'the whole text has to match'],
    ['a|b', 'ab', false, 'the choice is anchored as a whole'],
    ['a|b', 'b', true, 'second of a choice'],
    ['\\d+', '12', true, 'digits'],
    ['\\d+', '\u0662', false, 'digits are ASCII'],
    ['(?i)abc', 'ABC', true, 'flags of RE2'],
    ['[^/]+', 'a/b', false, 'a class'],
  ];
  for (const [source, text, matches, why] of cases) {
    test(`${source} on ${JSON.stringify(text)}: ${why}`, () =>
      assert.equal(regex(source).matches(text), matches));
  }

  test('a pattern that makes others hang takes no time', () => {
    const before = performance.now();
    assert.equal(regex('(a+)+b').matches('a'.repeat(5000)), false);
    assert.ok(performance.now() - before < 1000);
  });

  test('what RE2 does not know is told', () => {
    for (const source of ['(?=a)', '(a', '\\1']) assert.equal(compileRegex(source).ok, false, source);
  });
});

describe('replaceAll', () => {
  const cases: [source: string, text: string, substitution: string, result: string][] = [
    ['^/a/(b+)/(.*)$', '/a/bb/c', '/\\2/\\1', '/c/bb'],
    ['a', 'banana', 'o', 'bonono'],
    ['a', 'a', '$1\\\\', '$1\\'],
    ['(a)(x)?', 'a', '[\\1\\2]', '[a]'],
    ['(a)', 'a', '\\10', 'a0'],
  ];
  for (const [source, text, substitution, result] of cases) {
    test(`${source} in ${text} by ${substitution}`, () => {
      assert.equal(regex(source).replaceAll(text, substitution), result);
    });
  }

  test('groups are counted', () => {
    assert.equal(regex('(a)(b)').groups, 2);
    assert.equal(highestGroup('\\1 \\\\2'), 1);
  });
});
