import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normalizePath, type PathRules } from './path-normal.ts';

const all: PathRules = { normalize: true, mergeSlashes: true, escapedSlashes: 'keep' };
const cases: [target: string, rules: Partial<PathRules>, path: string | undefined, why: string][] = [
  ['/a/../b', {}, '/b', 'dot segments'],
  ['/a/./b/..', {}, '/a/', 'at the end'],
  ['/..', {}, undefined, 'above the root'],
  ['/a//b///c?x=//', {}, '/a/b/c?x=//', 'slashes, not those of the query'],
  ['/%61%2d', {}, '/a-', 'escapes that are not needed'],
  ['/%2F', {}, '/%2F', 'escaped slashes stay'],
  ['/a%2fb', { escapedSlashes: 'reject' }, undefined, 'escaped slashes are refused'],
  ['/a%2f..%2fb', { escapedSlashes: 'forward' }, '/b', 'escaped slashes are unescaped first'],
  ['/a\\b', {}, '/a/b', 'backslashes'],
  ['/a/../b', { normalize: false }, '/a/../b', 'not asked for'],
];
for (const [target, rules, path, why] of cases) {
  test(`${target}: ${why}`, () => assert.equal(normalizePath(target, { ...all, ...rules })?.path, path));
}
