/** A real Envoy in the place of two of the bookstore's sidecars: nobody else notices. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { ProxyStatus } from '#api/contract.ts';
import { startMesh } from '../support/mesh.ts';
import { requirePeer } from '../support/peer.ts';
import { tally } from '../support/tally.ts';
import { tempDir } from '../support/temp-dir.ts';

const requests = 1000;
const tolerancePoints = 4;

const withEnvoy = `
apiVersion: heddle.dev/v1alpha1
kind: LocalMesh
metadata:
  name: envoys
workloads:
  storefront-v1: { sidecar: envoy }
  reviews-v1: { sidecar: envoy }
`;

describe('Envoy as a sidecar', () => {
  test('the bookstore with Envoy beside storefront and reviews-v1: no NACK, 80 to 20', async (t) => {
    const envoy = requirePeer(t, 'envoy');
    if (envoy === undefined) return;
    const file = join(tempDir(t), 'envoys.yaml');
    writeFileSync(file, withEnvoy);
    const mesh = await startMesh(['examples/bookstore', file], { env: { HEDDLE_ENVOY: envoy } });
    try {
      for (const workload of ['storefront-v1', 'reviews-v1']) {
        for (const { sidecar, adminUrl } of mesh.instancesOf(workload)) {
          assert.equal(sidecar, 'envoy');
          const info = (await (await fetch(`${adminUrl}/server_info`)).json()) as { version: string };
          assert.match(info.version, /\/1\.40\.0\//, 'an Envoy answers there');
        }
      }
      const versions = await tally(requests, async () => {
        const response = await fetch(`${mesh.ingressUrl}/api/reviews`);
        const body = (await response.json()) as { version: string };
        assert.equal(response.status, 200, JSON.stringify(body));
        return body.version;
      });
      const share = ((versions.get('v2') ?? 0) / requests) * 100;
      assert.ok(Math.abs(share - 20) <= tolerancePoints, `v2 got ${share} %`);
      assert.deepEqual([...versions.keys()].sort(), ['v1', 'v2']);

      const proxies = (await (await fetch(`${mesh.state().apiUrl}/debug/syncz`)).json()) as ProxyStatus[];
      for (const { proxy, types } of proxies) {
        for (const [type, { error }] of Object.entries(types)) {
          assert.equal(error, undefined, `${proxy} refuses ${type}`);
        }
      }
    } finally {
      await mesh.stop();
    }
  });
});
