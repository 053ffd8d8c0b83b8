/** A real Envoy in the place of two of the bookstore's sidecars: nobody else notices. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { discoveryServices, type ProxyStatus } from '#api/contract.ts';
import type { MeshInstance } from '#cli/mesh-state.ts';
import { captureMode } from '../support/capture-mode.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';
import { findPeer, requirePeer } from '../support/peer.ts';
import { sumOf } from '../support/prometheus-text.ts';
import { assertShares } from '../support/share.ts';

const heddle = resolve(import.meta.dirname, '../../bin/heddle');
const behindEnvoy = ['storefront-v1', 'reviews-v1'] as const;
/** What is there to be told of in any mesh; routes and endpoints, too. */
const told = discoveryServices.filter((service) => service !== 'SDS');

/** Where it takes what comes for the application. */
const inboundPort = captureMode === 'always' ? 15_006 : 9080;

const withEnvoy = `
apiVersion: heddle.dev/v1alpha1
kind: LocalMesh
metadata:
  name: envoys
workloads:
${behindEnvoy.map((name) => `  ${name}: { sidecar: envoy }`).join('\n')}
`;

describe('Envoy as a sidecar', () => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'));
  let mesh: RunningMesh;
  before(async () => {
    const envoy = findPeer('envoy');
    if (envoy === undefined) return;
    const file = join(folder, 'envoys.yaml');
    writeFileSync(file, withEnvoy);
    mesh = await startMesh(['examples/bookstore', file], { env: { HEDDLE_ENVOY: envoy } });
  });
  after(async () => {
    await mesh?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const instance = (workload: string): MeshInstance => {
    const [found] = mesh.instancesOf(workload);
    assert.ok(found);
    return found;
  };

  const reviewsVersion = async (): Promise<string> => {
    const response = await fetch(`${mesh.ingressUrl}/api/reviews`);
    const body = (await response.json()) as { version: string };
    assert.equal(response.status, 200, JSON.stringify(body));
    return body.version;
  };

  test('Envoy 1.40 it is', async (t) => {
    if (requirePeer(t, 'envoy') === undefined) return;
    for (const workload of behindEnvoy) {
      const { sidecar, adminUrl } = instance(workload);
      assert.equal(sidecar, 'envoy');
      const info = (await (await fetch(`${adminUrl}/server_info`)).json()) as { version: string };
      assert.match(info.version, /\/1\.40\.0\//);
    }
  });

  test('1,000 requests divide 80 to 20', async (t) => {
    if (requirePeer(t, 'envoy') === undefined) return;
    await assertShares(reviewsVersion, { v1: 80, v2: 20 });
  });

  test('mutual TLS in both directions, and nothing else', async (t) => {
    if (requirePeer(t, 'envoy') === undefined) return;
    // Envoy calls ours: storefront -> reviews-v2.
    const fromEnvoy = sumOf(await mesh.metricsOf(instance('reviews-v2')), 'istio_requests_total', {
      reporter: 'destination',
      source_principal: 'spiffe://cluster.local/ns/default/sa/storefront',
      connection_security_policy: 'mutual_tls',
    });
    assert.ok(fromEnvoy > 0);
    // Ours calls Envoy: the gateway -> storefront. And Envoy calls Envoy: storefront -> reviews-v1.
    for (const workload of behindEnvoy) {
      const { meshAddress, adminUrl } = instance(workload);
      const stats = await (await fetch(`${adminUrl}/stats?filter=^listener.*${inboundPort}.*ssl`)).text();
      const count = (name: string): number => Number(new RegExp(`ssl\\.${name}: (\\d+)`).exec(stats)?.[1]);
      assert.ok(count('handshake') > 0, stats);
      assert.equal(count('no_certificate'), 0);
      // Where it is captured, nothing on this machine is in its network: captured-envoy.test.ts asks from within.
      if (captureMode === 'never')
        await assert.rejects(fetch(`http://${meshAddress}:9080/`), `${workload} takes plain HTTP`);
    }
  });

  test('every proxy has accepted all it was sent', (t) => {
    if (requirePeer(t, 'envoy') === undefined) return;
    const words = ['ps', '--state', mesh.stateDirectory, '-o', 'json'];
    const proxies = JSON.parse(execFileSync(heddle, words, { encoding: 'utf8' })) as ProxyStatus[];
    for (const workload of behindEnvoy) {
      const { name, namespace } = instance(workload);
      const ofEnvoy = proxies.find(
        ({ proxy, version }) => proxy === `${name}.${namespace}` && version === 'envoy 1.40.0',
      );
      assert.deepEqual(
        told.map((service) => ofEnvoy?.types[service].state),
        told.map(() => 'SYNCED'),
      );
    }
    for (const { proxy, types } of proxies) {
      for (const service of discoveryServices) {
        assert.equal(types[service].error, undefined, `${proxy} refuses ${service}`);
        assert.notEqual(types[service].state, 'NACK');
      }
    }
  });
});
