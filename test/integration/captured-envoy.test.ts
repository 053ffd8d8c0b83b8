/** A real Envoy in a sidecar's place where traffic is captured, with the agent beside it: what is seen of it, and its end. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { apiClient } from '#api/client.ts';
import { discoveryServices } from '#api/contract.ts';
import type { MeshInstance } from '#cli/mesh-state.ts';
import { eventually } from '../support/eventually.ts';
import { describeInNamespaces } from '../support/namespaces.ts';
import { findPeer, requirePeer } from '../support/peer.ts';
import { parseSamples, sumOf } from '../support/prometheus-text.ts';
import { startTalkingMesh, type TalkingMesh } from '../support/talking-mesh.ts';

const backByFront = /^200 back-[12] asked by spiffe:\/\/cluster.local\/ns\/default\/sa\/front$/;
const frontByBack = '200 front-1 asked by spiffe://cluster.local/ns/default/sa/back';

describeInNamespaces('an Envoy in a captured mesh', () => {
  if (findPeer('envoy') === undefined) {
    test('needs Envoy', (t) => void requirePeer(t, 'envoy'));
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'));
  let mesh: TalkingMesh;
  before(async () => {
    mesh = await startTalkingMesh(folder, 'envoy');
  });
  after(async () => {
    await mesh?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const front = (): MeshInstance => mesh.instancesOf('front')[0]!;

  async function goesOn(): Promise<void> {
    assert.match(await mesh.ask('front', 'http', { to: 'http://back/' }), backByFront);
    assert.equal(await mesh.ask('back', 'http', { to: 'http://front/' }), frontByBack);
  }

  test('its admin interface is reached at the address of this machine', async () => {
    const info = (await (await fetch(`${front().adminUrl}/server_info`)).json()) as { version: string };
    assert.match(info.version, /\/1\.40\.0\//);
    await goesOn();
    const samples = await mesh.metricsOf(front());
    const requests = { envoy_cluster_name: 'outbound|80||back.default.svc.cluster.local' };
    assert.ok(sumOf(samples, 'envoy_cluster_upstream_rq_completed', requests) > 0);
  });

  test('from within its Pod nobody finds that, and the agent counts what it answers', async () => {
    const address = front().meshAddress;
    for (const host of ['127.0.0.1', address]) {
      assert.match(await mesh.ask('front', 'http', { to: `http://${host}:15000/` }), /ECONNREFUSED/);
    }
    const said = await mesh.ask('front', 'http', { to: `http://${address}:15020/stats/prometheus` });
    const samples = parseSamples(said.slice('200 '.length));
    assert.ok(sumOf(samples, 'istio_agent_dns_requests_total', {}) > 0);
    assert.ok(sumOf(samples, 'envoy_nds_update_success', {}) > 0);
  });

  test('it is one proxy to the control plane, whatever its agent asks for', async () => {
    const api = apiClient(mesh.state().apiUrl);
    const proxies = await api.proxies();
    const called = proxies.filter(({ proxy }) => proxy === 'front-1.default');
    assert.deepEqual(
      called.map(({ version }) => version),
      ['envoy 1.40.0'],
    );
    for (const service of discoveryServices) assert.equal(called[0]!.types[service].error, undefined);
    assert.equal(called[0]!.types.LDS.state, 'SYNCED');
    const dump = await fetch(`${mesh.state().apiUrl}/debug/config_dump?proxyID=front-1.default`);
    assert.match(await dump.text(), /virtualInbound/);
    const connections = await (await fetch(`${mesh.state().apiUrl}/debug/connections`)).text();
    assert.match(connections, /"agent~[\d.]+~front-1\.default~/);
  });

  for (const name of ['envoy', 'agent'] as const) {
    test(`what is sent goes on when the ${name} was killed and is back`, async () => {
      const process_ = mesh.processOf(`front-1.${name}`);
      process.kill(process_.pid, 'SIGKILL');
      await eventually(
        () => {
          assert.notEqual(mesh.processOf(`front-1.${name}`).pid, process_.pid);
          assert.ok(front().ready);
        },
        { timeoutMs: 20_000 },
      );
      await eventually(goesOn);
      assert.match(await mesh.ask('front', 'lookup', { name: 'back' }), /"10\.96\./);
      assert.equal((await fetch(`${front().adminUrl}/ready`)).status, 200);
    });
  }
});
