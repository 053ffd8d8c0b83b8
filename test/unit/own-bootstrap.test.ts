/** The bootstrap written for a real Envoy in the mesh is one that our own proxy runs too. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { envoyBootstrap } from '#app/envoy-bootstrap.ts';
import { formatProblem } from '#core/problem.ts';
import { loadBootstrap } from '#proxy/bootstrap/load.ts';
import { bootstrapSettings } from '#proxy/bootstrap/settings.ts';

test('the bootstrap for Envoy is valid here', () => {
  const place = {
    secureXds: '127.1.0.1:15012',
    rootCertificate: '/root.pem',
    sdsSocket: '/sds.sock',
    address: '127.1.1.1',
    pod: 'reviews-v1-0',
    clusterId: 'Kubernetes',
    meshId: 'cluster.local',
    namespace: 'default',
    serviceAccount: 'reviews',
    workload: 'reviews-v1',
    labels: { app: 'reviews' },
  };
  const loaded = loadBootstrap([{ name: 'envoy.json', text: JSON.stringify(envoyBootstrap(place)) }], {
    allowUnknownFields: false,
  });
  assert.ok(loaded.ok, loaded.problems.map(formatProblem).join('\n'));
  const settings = bootstrapSettings(loaded.value.bootstrap);
  assert.ok(settings.ok, settings.problems.map(formatProblem).join('\n'));
  assert.equal(settings.value.ads?.protocol, 'delta');
  assert.equal(settings.value.initialFetchTimeoutMs, 0);
});
