/** The page that tells people where we differ from Envoy, and the comparison that finds it, say the same. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { cases } from '../peers/compare/cases.ts';
import { differences } from '../peers/compare/differences.ts';

const page = readFileSync(resolve(import.meta.dirname, '../../docs/differences-from-envoy.md'), 'utf8');

test('every difference in the comparison has its section, and the other way round', () => {
  const answers = page.slice(page.indexOf('\n## Answers'), page.indexOf('\n## Configuration'));
  const sections = [...answers.matchAll(/^### (.+)$/gm)].map(([, title]) => title);
  assert.deepEqual(
    sections,
    differences.map(({ title }) => title),
  );
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

test('cases have names of their own, thirty at least', () => {
  assert.equal(new Set(cases.map(({ name }) => name)).size, cases.length);
  assert.ok(cases.length >= 30);
});
