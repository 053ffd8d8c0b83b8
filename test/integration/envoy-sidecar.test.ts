/** A real Envoy in a sidecar's place: its bootstrap, its certificate and all it is sent, accepted. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { adminSocketPath } from '#api/admin-socket.ts';
import { type ApiClient, apiClient, requestJoinToken } from '#api/client.ts';
import type { ProxyStatus } from '#api/contract.ts';
import { leaseNetwork } from '#host/lease.ts';
import { resourceKinds } from '#xds/resource-type.ts';
import { type HeddleChild, startChild, startHeddle } from '../support/child.ts';
import { eventually } from '../support/eventually.ts';
import { requirePeer } from '../support/peer.ts';
import { tempDir } from '../support/temp-dir.ts';

const bookstore = resolve(import.meta.dirname, '../../examples/bookstore');

interface Bench {
  readonly folder: string;
  readonly address: string;
  readonly api: ApiClient;
  control(): HeddleChild;
  /** With a token of its own. */
  agent(...more: string[]): Promise<HeddleChild>;
  envoy(bootstrap: string): HeddleChild;
  /** Waits until the only proxy has accepted everything. */
  synced(proxy: HeddleChild): Promise<ProxyStatus>;
}

/** Undefined after the test was marked as skipped. */
async function bench(t: TestContext): Promise<Bench | undefined> {
  const envoy = requirePeer(t, 'envoy');
  if (envoy === undefined) return undefined;
  const folder = tempDir(t);
  const lease = await leaseNetwork(folder);
  if (!lease.ok) {
    t.skip('there is no loopback network but 127.0.0.1');
    return undefined;
  }
  t.after(() => lease.release());
  const state = join(folder, 'state');
  const address = lease.meshAddress(0);
  const { controlAddress } = lease;
  writePod(join(state, 'pods'), address, lease.applicationAddress(0));
  const api = apiClient(`http://${controlAddress}:15014`);
  return {
    folder,
    address,
    api,
    control: () => startHeddle(t, ['control', bookstore, '--state', state, '--address', controlAddress]),
    async agent(...more): Promise<HeddleChild> {
      const subject = { namespace: 'default', serviceAccount: 'storefront', pod: 'storefront-1' };
      const { token } = await requestJoinToken(adminSocketPath(state), subject);
      writeFileSync(join(folder, 'token'), token, { mode: 0o600 });
      const child = startHeddle(t, [
        ...['agent', '--control', `${controlAddress}:15012`, '--root-ca', join(state, 'ca', 'root-cert.pem')],
        ...[
          '--token-file',
          join(folder, 'token'),
          '--name',
          'storefront-1',
          '--service-account',
          'storefront',
        ],
        ...[
          '--address',
          address,
          '--labels',
          '{"app":"storefront"}',
          '--state',
          join(folder, 'agent'),
          ...more,
        ],
      ]);
      await child.says(/agent\.ready/);
      return child;
    },
    envoy: (bootstrap) =>
      startChild(t, envoy, ['-c', bootstrap, '--concurrency', '1', '--disable-hot-restart', '-l', 'warning']),
    synced: (proxy) =>
      eventually(async () => {
        const [found] = await api.proxies();
        assert.equal(found?.proxy, 'storefront-1.default', proxy.output());
        for (const type of ['CDS', 'EDS', 'LDS', 'RDS'] as const) {
          assert.equal(found.types[type].state, 'SYNCED', JSON.stringify(found.types[type]));
        }
        return found;
      }),
  };
}

describe("a real Envoy in a sidecar's place", () => {
  test('runs with the bootstrap of the agent, refuses nothing, and is told nothing twice', async (t) => {
    const start = await bench(t);
    if (start === undefined) return;
    const { folder, address, api } = start;
    const first = start.control();
    await first.says(/control\.started/);
    await start.agent();
    const proxy = start.envoy(join(folder, 'agent', 'envoy-bootstrap.json'));
    const status = await start.synced(proxy);
    assert.equal(status.protocol, 'delta');
    assert.equal(status.identity, 'spiffe://cluster.local/ns/default/sa/storefront');
    assert.match(status.version, /^envoy 1\.\d+\.\d+$/);
    const ready = await fetch(`http://${address}:15021/healthz/ready`);
    assert.deepEqual([ready.status, (await ready.text()).trim()], [200, 'LIVE']);
    const metrics = await (await fetch(`http://${address}:15090/stats/prometheus`)).text();
    assert.match(metrics, /envoy_cluster_name="outbound\|9080\|v1\|reviews\.default\.svc\.cluster\.local"/);

    first.kill('SIGKILL');
    await first.ended;
    await start.control().says(/control\.proxy-connected/);
    await start.synced(proxy);
    const pushes = (await api.metrics()).match(/^pilot_xds_pushes\{.*$/gm) ?? [];
    assert.equal(pushes.length, resourceKinds.length);
    for (const line of pushes) assert.match(line, / 0$/, 'it came back with everything');
  });

  test('comes back with the renewed certificate when that of its connection ends', async (t) => {
    const parts = await bench(t);
    if (parts === undefined) return;
    const control = parts.control();
    await control.says(/control\.started/);
    await parts.agent('--certificate-ttl-s', '3');
    const proxy = parts.envoy(join(parts.folder, 'agent', 'envoy-bootstrap.json'));
    await parts.synced(proxy);
    await control.says(/(control\.proxy-connected[\s\S]*){3}/);
    await parts.synced(proxy);
  });

  test('accepts the state of the world too', async (t) => {
    const parts = await bench(t);
    if (parts === undefined) return;
    await parts.control().says(/control\.started/);
    await parts.agent();
    const text = readFileSync(join(parts.folder, 'agent', 'envoy-bootstrap.json'), 'utf8');
    const bootstrap = join(parts.folder, 'sotw.json');
    writeFileSync(bootstrap, text.replace('DELTA_GRPC', 'GRPC'));
    assert.equal((await parts.synced(parts.envoy(bootstrap))).protocol, 'sotw');
  });
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
