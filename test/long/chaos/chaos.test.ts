/**
 * Every row of the chaos suite with Envoy and Heddle, interleaved: in none is Heddle worse than the rule of
 * docs/resilience.md allows. HEDDLE_CHAOS_ROUNDS sets how many rounds, HEDDLE_CHAOS_ROWS names some rows.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requirePeer } from '../../support/peer.ts';
import { objections } from './report.ts';
import { runSuite } from './run.ts';

const rounds = Number(process.env.HEDDLE_CHAOS_ROUNDS ?? 5);
const rows = (process.env.HEDDLE_CHAOS_ROWS ?? '').split(',').filter((name) => name !== '');

test(`chaos, ${rounds} rounds`, async (t) => {
  if (requirePeer(t, 'envoy') === undefined) return;
  const measured = await runSuite({ rows, rounds, write: false, progress: (text) => t.diagnostic(text) });
  const worse = measured.flatMap((row) =>
    objections(row).map((objection) => `${row.scenario.name}: ${objection}`),
  );
  assert.deepEqual(worse, []);
});
