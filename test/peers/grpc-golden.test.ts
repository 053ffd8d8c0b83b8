/** Real clients of gRPC accept what the translation makes for them of every golden case, whatever is written there. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { fromJson } from '@bufbuild/protobuf';
import { proxyNode } from '#control/translate/node.ts';
import { buildSnapshot } from '#control/translate/snapshot.ts';
import { ClientResourceStatus } from '#xds/gen/envoy/admin/v3/config_dump_shared_pb.js';
import { NodeSchema } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { clientStatus } from '../support/client-status.ts';
import { eventually } from '../support/eventually.ts';
import { type GoldenCase, indexOf, podsOf, readCase } from '../support/golden-case.ts';
import { tempDir } from '../support/temp-dir.ts';
import { type Language, startClient, startPlane } from './grpc-clients/rig.ts';

/** grpc-js-xds is asked by its own decoders in grpc-accepts.test.ts. */
const languages: readonly Language[] = ['Python', 'Go'];
const folder = path.join(import.meta.dirname, '../../src/control/translate/testdata');

/** One name of each host and port that the client may call. */
function targetsOf(golden: GoldenCase, node: object): string[] {
  const parsed = proxyNode(fromJson(NodeSchema, { ...node }));
  assert.ok(parsed.ok);
  const { routes } = buildSnapshot(indexOf(golden).index, parsed.value);
  return routes.map(({ name }) => name.split('|')).map(([, port, , host]) => `${host}:${port}`);
}

async function assertAccepted(t: TestContext, language: Language, golden: GoldenCase): Promise<void> {
  if (golden.problems.some((problem) => / error: /.test(problem))) return t.skip('no plane starts with it');
  const documents = [golden.input, ...podsOf(golden)].join('\n---\n');
  const plane = await startPlane(t, documents);
  const workload = { pod: 'client-0', account: 'client', certificateFolder: tempDir(t) };
  const bootstrap = plane.bootstrapOf(workload);
  const targets = targetsOf(golden, bootstrap.node);
  if (targets.length === 0) return t.skip('nobody to call');
  const client = await startClient(t, language, bootstrap);
  if (client === undefined) return;
  // Who answers does not matter, and mostly nobody does.
  for (const to of targets) client.call({ to, timeoutMs: 20_000 }).catch(() => undefined);
  await eventually(async () => {
    const configs = await clientStatus(client.csdsAddress);
    const resources = configs.flatMap(({ genericXdsConfigs }) => genericXdsConfigs);
    const states = resources.map(({ name, clientStatus: state, errorState }) => {
      const details = errorState === undefined ? '' : `: ${errorState.details}`;
      return `${name} ${ClientResourceStatus[state]}${details}`;
    });
    assert.deepEqual(
      states.filter((state) => !state.endsWith(' ACKED')),
      [],
    );
    for (const kind of ['.Listener', '.RouteConfiguration', '.Cluster'])
      assert.ok(resources.some(({ typeUrl }) => typeUrl.endsWith(kind)));
  });
}

for (const language of languages) {
  describe(`gRPC in ${language}`, { concurrency: 2 }, () => {
    for (const file of globSync(path.join(folder, '*.yaml')).sort()) {
      const golden = readCase(readFileSync(file, 'utf8'), file);
      if (golden.node.id.startsWith('router')) continue;
      test(path.basename(file, '.yaml'), { timeout: 100_000 }, (t) => assertAccepted(t, language, golden));
    }
  });
}
