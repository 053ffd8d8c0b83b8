/**
 * The short form of the chaos suite (test/long/chaos): a few of its rows, one round, Heddle alone. It judges that no
 * more than a tenth of the requests fail, in all and after the fault, and no time: other tests run beside it.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { failuresOf, runOnce } from '../long/chaos/measure.ts';
import { faultWindow, scenarios } from '../long/chaos/scenario.ts';
import { sourceCommand } from '../support/proxy-child.ts';

/** A machine that stands still is no failure. */
const patienceMs = 20_000;
const perSecond = 50;
/** Of what is offered. */
const leastShare = 0.9;
/** After the last fault, ejections and checks may last so long. */
const graceMs = 1500;

const rows = scenarios.filter(({ short }) => short === true);

describe('chaos, in short', { concurrency: 3 }, () => {
  for (const row of rows) {
    test(row.title, async (t) => {
      const scenario = {
        ...row,
        load: { ...row.load, perSecond },
        failed: { ...row.failed, afterMs: patienceMs },
      };
      const samples = await runOnce(scenario, [...sourceCommand(), 'proxy']);
      t.diagnostic(`failures: ${failuresOf(samples)}`);
      const endMs = faultWindow(row).untilSeconds * 1000 + graceMs;
      for (const part of [samples, samples.filter(({ dueMs }) => dueMs >= endMs)]) {
        const well = part.filter(({ failure }) => failure === undefined).length;
        assert.ok(well / part.length >= leastShare, failuresOf(part));
      }
    });
  }
});
