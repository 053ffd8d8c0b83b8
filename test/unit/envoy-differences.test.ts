/** The page that tells people where we differ from Envoy, and the comparison that finds it, say the same. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { catalogue } from '../interop/envoy/catalogue.ts';
import { differences } from '../interop/envoy/differences.ts';
import type { Case } from '../interop/envoy/harness/case.ts';

const page = readFileSync(resolve(import.meta.dirname, '../../docs/envoy-differences.md'), 'utf8');
const MOST_DIFFERENCES = 15;

const groups = await catalogue();
const cases: readonly Case[] = groups.flatMap((group) => group.cases);

test('every difference in the comparison has its section, and the other way round', () => {
  const answers = page.slice(page.indexOf('\n## Answers'), page.indexOf('\n## Configuration'));
  const sections = [...answers.matchAll(/^### (.+)$/gm)].map(([, title]) => title);
  assert.deepEqual(
    sections,
    differences.map(({ title }) => title),
  );
  assert.ok(differences.length <= MOST_DIFFERENCES);
});

test('every difference names cases that exist, and no case stands in two', () => {
  const named = differences.flatMap((difference) => difference.cases);
  const known = new Set(cases.map(({ name }) => name));
  assert.deepEqual(
    named.filter((name) => !known.has(name)),
    [],
  );
  assert.equal(new Set(named).size, named.length);
});

test('groups and cases have names of their own', () => {
  const twice = (names: readonly string[]): string[] =>
    names.filter((name, at) => names.indexOf(name) !== at);
  assert.deepEqual(twice(groups.map(({ name }) => name)), []);
  assert.deepEqual(twice(cases.map(({ name }) => name)), []);
});

test('every case says what Envoy shows', () => {
  assert.deepEqual(
    cases.filter(({ expect }) => Object.keys(expect).length === 0).map(({ name }) => name),
    [],
  );
});
