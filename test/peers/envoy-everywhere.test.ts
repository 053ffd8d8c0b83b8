/** The whole example with a real Envoy beside every application: it does what it does with ours. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { discoveryServices, type ProxyStatus } from '#api/contract.ts';
import { loadDocuments } from '#model/load.ts';
import { eventually } from '../support/eventually.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';
import { findPeer, requirePeer } from '../support/peer.ts';
import { assertShares } from '../support/share.ts';

const root = resolve(import.meta.dirname, '../..');
const example = join(root, 'examples/bookstore');

/** Of every Deployment there is. */
const workloads = loadDocuments(
  globSync(join(example, '*.yaml')).map((file) => ({ file, text: readFileSync(file, 'utf8') })),
).resources.flatMap(({ kind, metadata }) => (kind === 'Deployment' ? [metadata.name] : []));

describe('Envoy beside every application', () => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'));
  let mesh: RunningMesh;
  before(async () => {
    const envoy = findPeer('envoy');
    if (envoy === undefined) return;
    const file = join(folder, 'envoys.yaml');
    const sidecars = workloads.map((name) => `${name}: {sidecar: envoy}`).join(', ');
    writeFileSync(
      file,
      `apiVersion: heddle.dev/v1alpha1\nkind: LocalMesh\nmetadata: {name: envoys}\nworkloads: {${sidecars}}\n`,
    );
    mesh = await startMesh([example, file], { env: { HEDDLE_ENVOY: envoy } });
  });
  after(async () => {
    await mesh?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const ask = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${mesh.ingressUrl}${path}`, { headers });
  const reviewsVersion = async (headers?: Record<string, string>): Promise<string> => {
    const response = await ask('/api/reviews', headers);
    assert.equal(response.status, 200);
    return ((await response.json()) as { version: string }).version;
  };

  test('no sidecar is ours', (t) => {
    if (requirePeer(t, 'envoy') === undefined) return;
    assert.ok(workloads.length >= 9);
    const { instances } = mesh.state();
    // Those of gRPC that take part without a proxy have none.
    for (const { name, sidecar } of instances) assert.notEqual(sidecar, 'heddle', name);
    assert.ok(instances.filter(({ sidecar }) => sidecar === 'envoy').length >= 8);
  });

  test('the page is whole', async (t) => {
    if (requirePeer(t, 'envoy') === undefined) return;
    const page = await ask('/');
    assert.equal(page.status, 200);
    assert.match(await page.text(), /<html/i);
  });

  test('the canary has its share', async (t) => {
    if (requirePeer(t, 'envoy') === undefined) return;
    await assertShares(() => reviewsVersion(), { v1: 80, v2: 20 }, { requests: 500, tolerancePoints: 8 });
  });

  test('testers get the version for them', async (t) => {
    if (requirePeer(t, 'envoy') === undefined) return;
    for (let i = 0; i < 5; i++) assert.equal(await reviewsVersion({ 'x-tester': 'true' }), 'v3');
  });

  test('nothing is refused', async (t) => {
    if (requirePeer(t, 'envoy') === undefined) return;
    const words = ['ps', '--state', mesh.stateDirectory, '-o', 'json'];
    await eventually(() => {
      const out = execFileSync(join(root, 'bin/heddle'), words, { encoding: 'utf8' });
      for (const { proxy, types } of JSON.parse(out) as ProxyStatus[])
        for (const service of discoveryServices) {
          assert.equal(types[service].error, undefined, `${proxy} refuses ${service}`);
          assert.doesNotMatch(types[service].state, /NACK|STALE/, `${proxy} ${service}`);
        }
    });
  });
});
