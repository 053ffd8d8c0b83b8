/** The rows of the chaos suite say all that they have to, and the page has them as they are. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCurrent } from '../long/chaos/report.ts';
import { scenarios } from '../long/chaos/scenario.ts';

const leastRows = 20;

test('there are enough rows, each with a name of its own', () => {
  const names = scenarios.map(({ name }) => name);
  assert.ok(names.length >= leastRows);
  assert.equal(new Set(names).size, names.length);
});

for (const { name, backends, discovery, faults, load } of scenarios) {
  test(`${name}: its faults are within the load, and of what it has`, () => {
    assert.ok(faults.length > 0);
    for (const fault of faults) {
      assert.ok(fault.fromSeconds >= 1 && fault.fromSeconds < fault.untilSeconds);
      // Something is seen of the time after it.
      assert.ok(fault.untilSeconds + 2 <= load.seconds);
      if ('backends' in fault) assert.ok(fault.backends.every((at) => at < backends));
      if (fault.kind === 'dns') assert.equal(discovery, 'dns');
      if (fault.kind === 'control') assert.equal(discovery, 'ads');
    }
  });
}

test('docs/resilience.md has the rows as they are', () => {
  assert.ok(isCurrent(scenarios), 'npm run chaos -- --rows writes them');
});
