/** A real Envoy in a sidecar's place: its bootstrap, its certificate and all it is sent, accepted. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { adminSocketPath } from '#api/admin-socket.ts';
import { apiClient, requestJoinToken } from '#api/client.ts';
import type { ProxyStatus } from '#api/contract.ts';
import { leaseNetwork } from '#host/lease.ts';
import { startChild, startHeddle } from '../support/child.ts';
import { eventually } from '../support/eventually.ts';
import { requirePeer } from '../support/peer.ts';
import { tempDir } from '../support/temp-dir.ts';

const bookstore = resolve(import.meta.dirname, '../../examples/bookstore');

test('Envoy runs with the bootstrap of the agent, refuses nothing, and is told nothing twice', async (t) => {
  const envoy = requirePeer(t, 'envoy');
  if (envoy === undefined) return;
  const lease = await leaseNetwork('envoy-sidecar-test');
  if (!lease.ok) return t.skip('there is no loopback network but 127.0.0.1');
  t.after(() => lease.release());
  const folder = tempDir(t);
  const state = join(folder, 'state');
  const address = lease.meshAddress(0);
  writePod(join(state, 'pods'), address, lease.applicationAddress(0));

  const control = (): ReturnType<typeof startHeddle> =>
    startHeddle(t, ['control', bookstore, '--state', state, '--address', lease.controlAddress]);
  const first = control();
  await first.says(/control\.started/);
  const subject = { namespace: 'default', serviceAccount: 'storefront', pod: 'storefront-1' };
  const { token } = await requestJoinToken(adminSocketPath(state), subject);
  writeFileSync(join(folder, 'token'), token, { mode: 0o600 });
  const agent = startHeddle(t, [
    ...[
      'agent',
      '--control',
      `${lease.controlAddress}:15012`,
      '--root-ca',
      join(state, 'ca', 'root-cert.pem'),
    ],
    ...['--token-file', join(folder, 'token'), '--name', 'storefront-1', '--service-account', 'storefront'],
    ...['--address', address, '--labels', '{"app":"storefront"}', '--state', join(folder, 'agent')],
  ]);
  await agent.says(/agent\.ready/);
  const bootstrap = join(folder, 'agent', 'envoy-bootstrap.json');
  const proxy = startChild(t, envoy, [
    '-c',
    bootstrap,
    '--concurrency',
    '1',
    '--disable-hot-restart',
    '-l',
    'warning',
  ]);

  const api = apiClient(`http://${lease.controlAddress}:15014`);
  const synced = (): Promise<ProxyStatus> =>
    eventually(async () => {
      const [found] = await api.proxies();
      assert.equal(found?.proxy, 'storefront-1.default', proxy.output());
      for (const type of ['CDS', 'EDS', 'LDS', 'RDS'] as const) {
        assert.equal(found.types[type].state, 'SYNCED', JSON.stringify(found.types[type]));
      }
      return found;
    });
  const status = await synced();
  assert.equal(status.identity, 'spiffe://cluster.local/ns/default/sa/storefront');
  assert.match(status.version, /^envoy 1\.\d+\.\d+$/);
  const ready = await fetch(`http://${address}:15021/healthz/ready`);
  assert.deepEqual([ready.status, (await ready.text()).trim()], [200, 'LIVE']);
  const metrics = await (await fetch(`http://${address}:15090/stats/prometheus`)).text();
  assert.match(metrics, /envoy_cluster_name="outbound\|9080\|v1\|reviews\.default\.svc\.cluster\.local"/);

  first.kill('SIGKILL');
  await first.ended;
  await control().says(/control\.proxy-connected/);
  await synced();
  const pushes = (await api.metrics()).match(/^pilot_xds_pushes\{.*$/gm) ?? [];
  assert.equal(pushes.length, 5);
  for (const line of pushes) assert.match(line, / 0$/, 'it came back with everything');
});

function writePod(folder: string, podIP: string, applicationAddress: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'storefront-1',
      namespace: 'default',
      labels: { app: 'storefront', 'security.istio.io/tlsMode': 'istio' },
      annotations: { 'heddle.dev/application-address': applicationAddress },
    },
    spec: {
      serviceAccountName: 'storefront',
      containers: [{ name: 'app', image: 'app', ports: [{ containerPort: 9080, protocol: 'TCP' }] }],
    },
    status: { podIP, conditions: [{ type: 'Ready', status: 'True' }] },
  };
  writeFileSync(join(folder, 'default.storefront-1.json'), JSON.stringify(pod));
}
