/** examples/envoy-filters with a real Envoy in the place of its sidecars: the same answers. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';
import { findPeer, requirePeer } from '../support/peer.ts';

const withEnvoy = `
apiVersion: heddle.dev/v1alpha1
kind: LocalMesh
metadata:
  name: envoys
workloads:
  echo: { sidecar: envoy }
  scarce: { sidecar: envoy }
`;

describe('EnvoyFilters for Envoy', () => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'));
  let mesh: RunningMesh;
  before(async () => {
    const envoy = findPeer('envoy');
    if (envoy === undefined) return;
    const file = join(folder, 'envoys.yaml');
    writeFileSync(file, withEnvoy);
    mesh = await startMesh(['examples/envoy-filters', file], { env: { HEDDLE_ENVOY: envoy } });
  });
  after(async () => {
    await mesh?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('a filter before the router', async (t) => {
    if (requirePeer(t, 'envoy') === undefined) return;
    await eventually(async () => {
      const response = await fetch(`${mesh.ingressUrl}/headers`);
      const headers = (await response.json()) as Readonly<Record<string, string>>;
      assert.equal(headers['x-filtered-by'], 'echo');
    });
  });

  test('a limit for requests', async (t) => {
    if (requirePeer(t, 'envoy') === undefined) return;
    const statuses: number[] = [];
    for (let i = 0; i < 4; i++) statuses.push((await fetch(`${mesh.ingressUrl}/scarce`)).status);
    assert.deepEqual(statuses, [200, 200, 429, 429]);
  });

  test('what a listener is told', async (t) => {
    if (requirePeer(t, 'envoy') === undefined) return;
    const { adminUrl } = mesh.instancesOf('echo')[0]!;
    const dump = await (await fetch(`${adminUrl}/config_dump?resource=dynamic_listeners`)).text();
    assert.match(dump, /"per_connection_buffer_limit_bytes": 65536/);
  });
});
