/**
 * A table of configurations, each in force beside a Heddle and an Envoy that one control plane drives, as sidecars and as
 * gateways: nothing is refused, requests and connections meet what Istio says of the fields, and both makes do the same.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startJudgedMesh } from '../support/judged-mesh.ts';
import { judge } from '../support/judgement.ts';
import { requirePeer } from '../support/peer.ts';
import { documentsOf, hostOf } from './configurations/configuration.ts';
import { table } from './configurations/table.ts';

/** As many at once: enough to be quick where some of them wait. */
const atOnce = 6;

const all = Object.entries(table).flatMap(([subject, configurations]) =>
  configurations.map((configuration) => ({ subject, configuration })),
);

test('there are as many configurations as they say, each with a host of its own', () => {
  assert.ok(all.length >= 200, `${all.length}`);
  assert.equal(new Set(all.map(({ configuration }) => hostOf(configuration))).size, all.length);
});

test('a table of configurations', { concurrency: atOnce }, async (t) => {
  const envoy = requirePeer(t, 'envoy');
  if (envoy === undefined) return;
  const mesh = await startJudgedMesh(t, envoy);
  if (mesh === undefined) return t.skip('there is no loopback network but 127.0.0.1');
  const only = process.env.HEDDLE_TEST_CONFIGURATION;
  const chosen = all.filter(({ configuration }) => only === undefined || configuration.name.includes(only));
  const together = chosen.filter(({ configuration }) => configuration.alone !== true);
  const alone = chosen.filter(({ configuration }) => configuration.alone === true);
  let questions = 0;
  const asTest = ({ subject, configuration }: (typeof all)[number]): Promise<void> =>
    t.test(`${subject}: ${configuration.name}`, async () => {
      const asked = await judge(mesh, configuration);
      questions += asked;
    });
  await mesh.apply(together.map(({ configuration }) => documentsOf(configuration, mesh.places)).join(''));
  await Promise.all(together.map(asTest));
  for (const one of alone) {
    await mesh.apply(documentsOf(one.configuration, mesh.places));
    await asTest(one);
  }
  t.diagnostic(`${chosen.length} configurations, ${questions} questions to each make`);
});
