import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MeshInstance } from '#cli/mesh-state.ts';
import { startTable, tryLine } from './start-table.ts';

const instance = (more: Partial<MeshInstance>): MeshInstance => ({
  name: 'reviews-v1-1',
  namespace: 'default',
  workload: 'reviews-v1',
  meshAddress: '127.7.1.1',
  applicationAddress: '127.7.128.1',
  ports: [9080],
  sidecar: 'heddle',
  agent: false,
  version: 'v1',
  state: 'ready',
  ready: true,
  ...more,
});

test('one row for each workload: instances counted, addresses side by side', () => {
  const gateway = instance({
    namespace: 'istio-system',
    workload: 'istio-ingressgateway',
    meshAddress: '127.7.0.2',
    ports: [80],
    version: '',
  });
  const lines = startTable(
    [
      instance({}),
      instance({ meshAddress: '127.7.1.2', ready: false }),
      instance({ workload: 'grpc', sidecar: 'none', agent: true, version: 'v2' }),
      instance({ workload: 'web', agent: true }),
      instance({ workload: 'edge', sidecar: 'envoy', agent: true, ports: [] }),
      instance({ workload: 'move', state: 'completed', ready: false, ports: [], version: '' }),
    ],
    [gateway],
    [{ name: 'move', namespace: 'default', state: 'completed', succeeded: 1, failed: 0 }],
  );
  assert.deepEqual(lines, [
    'WORKLOAD                            READY       ADDRESS                     SIDECAR                   VERSION',
    'istio-ingressgateway.istio-system   1/1         127.7.0.2:80                heddle                    -',
    'reviews-v1                          1/2         127.7.1.1, 127.7.1.2:9080   heddle                    v1',
    'grpc                                1/1         127.7.1.1:9080              none (proxyless gRPC)     v2',
    'web                                 1/1         127.7.1.1:9080              heddle + proxyless gRPC   v1',
    'edge                                1/1         127.7.1.1                   envoy                     v1',
    'move                                completed   127.7.1.1                   heddle                    -',
  ]);
});

test('the line to try names the host where the gateway does not take any', () => {
  assert.equal(tryLine('http://127.0.0.1:8080', { tryPath: '/' }), 'curl http://127.0.0.1:8080/');
  assert.equal(
    tryLine('http://127.0.0.1:8080', { tryPath: '/a', tryHost: 'shop.example' }),
    "curl -H 'Host: shop.example' http://127.0.0.1:8080/a",
  );
});
