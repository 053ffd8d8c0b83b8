import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isNormalPath, normalizePath, type PathRules } from './path-normal.ts';

const all: PathRules = { normalize: true, mergeSlashes: true, escapedSlashes: 'keep' };
const refused = 'refuse';
const cases: [target: string, rules: Partial<PathRules>, path: string, why: string][] = [
  ['/a/../b', {}, '/b', 'dot segments'],
  ['/a/./b/..', {}, '/a/', 'at the end'],
  ['/a/.', {}, '/a/', 'one dot at the end'],
  ['/..', {}, '/', 'the root is its own parent'],
  ['/../../b', {}, '/b', 'above the root'],
  ['/a/%2e%2E/b', {}, '/b', 'escaped dots'],
  ['/a/.%2e', {}, '/', 'one of them escaped'],
  ['/a/..b/...', {}, '/a/..b/...', 'dots that are names'],
  ['/a\\..\\b', {}, '/b', 'backslashes are slashes'],
  ['//..//b', { mergeSlashes: false }, '//b', 'an empty segment has a parent'],
  ['/a//b///c?x=//', {}, '/a/b/c?x=//', 'slashes, not those of the query'],
  ['/a?/../b', {}, '/a?/../b', 'dots of the query'],
  ['/%61%2d%7E%5f', {}, '/a-~_', 'escapes that are not needed'],
  ['/a%0d%0ab', {}, '/a%0d%0ab', 'escapes that are needed keep their case'],
  ['/a%2zb%', {}, '/a%2zb%', 'a percent sign that is no escape'],
  ['/a"<>^`{|}', {}, '/a%22%3C%3E%5E%60%7B%7C%7D', 'characters that need an escape'],
  ['/\u00e4', {}, '/%E4', 'octets beyond ASCII'],
  ['/a%00b', {}, refused, 'an escaped NUL'],
  ['/%2F', {}, '/%2F', 'escaped slashes stay'],
  ['/a%2fb', { escapedSlashes: 'reject' }, refused, 'escaped slashes are refused'],
  ['/a%2f..%2fb', { escapedSlashes: 'forward' }, '/b', 'escaped slashes are unescaped first'],
  ['/a/%2e%2e%2fb', {}, '/a/..%2fb', 'an escaped slash ends no segment'],
  ['/a/../b', { normalize: false }, '/a/../b', 'not asked for'],
];
for (const [target, rules, wanted, why] of cases) {
  test(`${target}: ${why}`, () => {
    const { path, verdict } = normalizePath(target, { ...all, ...rules });
    assert.equal(verdict === 'refuse' ? refused : path, wanted);
    if (isNormalPath(target)) assert.equal(path, target);
  });
}

test('what is refused or sent back is told as it is by then', () => {
  const of = (escapedSlashes: PathRules['escapedSlashes']) =>
    normalizePath('/a%5Cb%2Fc?%2F', { normalize: false, mergeSlashes: false, escapedSlashes });
  assert.deepEqual(of('reject'), { path: '/a\\b/c?%2F', verdict: 'refuse' });
  assert.deepEqual(of('redirect'), { path: '/a\\b/c?%2F', verdict: 'redirect' });
});

test('most paths need no work', () => {
  for (const path of ['/', '/a.b/c-d_e~f;g=h', '/a?x=%2F/../', '/a.', '/a..b'])
    assert.equal(isNormalPath(path), true);
  for (const path of ['/a//b', '/./a', '/.a', '/%61', '/a\\b', '/a b'])
    assert.equal(isNormalPath(path), false);
});
