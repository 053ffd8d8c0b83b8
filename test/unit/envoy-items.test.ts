/** Each item that the comparison with Envoy stands for has cases enough, or is known not to. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { catalogue } from '../interop/envoy/catalogue.ts';
import type { Case, Group } from '../interop/envoy/harness/case.ts';
import { type Item, items, LEAST_CASES } from '../interop/envoy/harness/items.ts';
import { topics } from '../interop/envoy/harness/topics.ts';
import { scripts } from '../interop/xds/catalogue.ts';

const groups = await catalogue();
const played = await scripts();

/** Rows of a table are one case for each outcome that they expect; steps of one name, whatever the script, are one. */
function casesFor({ topics: of, names, expects, steps: wanted }: Item): number {
  const outcomes = new Set<string>();
  if (wanted !== undefined)
    for (const { name, steps } of played)
      for (const step of steps) if (wanted.test(`${name}: ${step.name}`)) outcomes.add(`step ${step.name}`);
  if (of === undefined && names === undefined && expects === undefined) return outcomes.size;
  for (const group of groups)
    for (const one of group.cases) {
      if (of !== undefined && !of.includes(one.covers)) continue;
      if (names !== undefined && !names.test(one.name) && !names.test(group.name)) continue;
      if (expects !== undefined && one.expect[expects] === undefined) continue;
      outcomes.add(outcomeOf(group, one));
    }
  return outcomes.size;
}

function outcomeOf(group: Group, { name, table, expect }: Case): string {
  if (table === undefined) return `${group.name}/${name}`;
  const shown = Object.entries(expect).map(([of, wanted]) => `${of}=${String(wanted)}`);
  return `table ${table}: ${shown.join()}`;
}

for (const [section, list] of Object.entries(items)) {
  describe(section, () => {
    for (const item of list) {
      test(item.what, (t) => {
        const count = casesFor(item);
        if (item.gap === undefined) {
          assert.ok(count >= LEAST_CASES, `${count} cases, and not ${LEAST_CASES}`);
        } else if (count >= LEAST_CASES) {
          t.diagnostic(`${count} cases: it is no gap any more`);
        } else {
          t.diagnostic(`a known gap, ${count} cases: ${item.gap}`);
        }
      });
    }
  });
}

test('every topic has cases enough', () => {
  const few = Object.keys(topics).filter(
    (topic) =>
      groups.flatMap(({ cases }) => cases).filter(({ covers }) => covers === topic).length < LEAST_CASES,
  );
  assert.deepEqual(few, []);
});
