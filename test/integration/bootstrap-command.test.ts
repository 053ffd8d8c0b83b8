/** `heddle bootstrap`, asked about a mesh that is described by its state folder. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { agentSocketPath } from '#app/agent-folder.ts';
import type { MeshState } from '#cli/mesh-state.ts';
import { startHeddle } from '../support/child.ts';
import { tempDir } from '../support/temp-dir.ts';

const instance = {
  name: 'storefront-v1-1',
  namespace: 'shop',
  workload: 'storefront-v1',
  meshAddress: '127.9.1.1',
  applicationAddress: '127.9.128.1',
  ports: [9080],
  sidecar: 'envoy',
  agent: true,
  version: 'v1',
  state: 'ready',
  ready: true,
} as const;

function describeMesh(t: TestContext): string {
  const state = tempDir(t);
  const mesh: MeshState = {
    name: 'shop',
    version: '0',
    runner: { pid: process.pid, startTime: '0' },
    startedAt: new Date(0).toISOString(),
    network: '127.9.0.0/16',
    apiUrl: 'http://127.9.0.1:15014',
    captured: false,
    ingressUrls: [],
    gateways: [],
    instances: [instance],
    jobs: [],
    processes: [],
  };
  writeFileSync(join(state, 'mesh.json'), JSON.stringify(mesh));
  mkdirSync(join(state, 'pods'));
  const pod = {
    metadata: { name: instance.name, namespace: 'shop', labels: { app: 'storefront' } },
    spec: { serviceAccountName: 'front' },
  };
  writeFileSync(join(state, 'pods', 'shop.storefront-v1-1.json'), JSON.stringify(pod));
  return state;
}

async function bootstrap(
  t: TestContext,
  state: string,
  ...words: string[]
): Promise<[number | null, string]> {
  const child = startHeddle(t, ['bootstrap', '--state', state, ...words]);
  return [await child.ended, child.output()];
}

describe('heddle bootstrap', () => {
  test('points an Envoy to the TLS port and to the socket of the agent', async (t) => {
    const state = describeMesh(t);
    for (const name of ['storefront-v1-1', 'storefront-v1', 'storefront-v1.shop']) {
      const [code, output] = await bootstrap(t, state, '--for', 'envoy', name);
      assert.equal(code, 0, output);
      const { node } = JSON.parse(output) as { node: { id: string; metadata: { SERVICE_ACCOUNT: string } } };
      assert.equal(node.id, 'sidecar~127.9.1.1~storefront-v1-1.shop~shop.svc.cluster.local');
      assert.equal(node.metadata.SERVICE_ACCOUNT, 'front');
      assert.ok(output.includes(agentSocketPath(join(state, 'instances', 'shop.storefront-v1-1'))));
      assert.ok(output.includes(join(state, 'ca', 'root-cert.pem')));
      assert.match(output, /"address": "127\.9\.0\.1",\s+"port_value": 15012/);
    }
  });

  test('points gRPC to the plaintext port and to the files of the agent', async (t) => {
    const state = describeMesh(t);
    const [code, output] = await bootstrap(t, state, '--for', 'grpc', 'storefront-v1');
    assert.equal(code, 0, output);
    const document = JSON.parse(output) as { xds_servers: { server_uri: string }[] };
    assert.equal(document.xds_servers[0]?.server_uri, '127.9.0.1:15010');
    assert.ok(output.includes(join(state, 'instances', 'shop.storefront-v1-1', 'key.pem')));
  });

  test('says what there is where it does not know the name, and what to give', async (t) => {
    const state = describeMesh(t);
    const [unknown, said] = await bootstrap(t, state, '--for', 'grpc', 'storefrnt-v1');
    assert.equal(unknown, 1);
    assert.match(said, /has no workload storefrnt-v1[\s\S]*storefront-v1/);
    const [usage] = await bootstrap(t, state, 'storefront-v1');
    assert.equal(usage, 64);
  });
});
