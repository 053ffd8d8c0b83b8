/** examples/envoy-filters: its patches are seen in what is answered, and one that is wrong changes nothing. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';

const written = readFileSync('examples/envoy-filters/filters.yaml', 'utf8');

describe('examples/envoy-filters', () => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'));
  const filters = join(folder, 'filters.yaml');
  let mesh: RunningMesh;
  before(async () => {
    writeFileSync(filters, written);
    mesh = await startMesh(['examples/envoy-filters/mesh.yaml', filters]);
  });
  after(async () => {
    await mesh?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const echoed = async (): Promise<Readonly<Record<string, string>>> => {
    const response = await fetch(`${mesh.ingressUrl}/headers`);
    assert.equal(response.status, 200);
    return (await response.json()) as Record<string, string>;
  };

  const dumped = async (workload: string, what: string): Promise<string> => {
    const { adminUrl } = mesh.instancesOf(workload)[0]!;
    return (await fetch(`${adminUrl}/config_dump?resource=${what}`)).text();
  };

  test('a filter before the router of one workload', async () => {
    await eventually(async () => assert.equal((await echoed())['x-filtered-by'], 'echo'));
  });

  test('a limit for the requests of another', async () => {
    const statuses: number[] = [];
    for (let i = 0; i < 4; i++) statuses.push((await fetch(`${mesh.ingressUrl}/scarce`)).status);
    assert.deepEqual(statuses, [200, 200, 429, 429]);
  });

  test('what a gateway calls itself, and a route before all others', async () => {
    const response = await fetch(`${mesh.ingressUrl}/status`);
    assert.deepEqual([response.status, await response.text()], [200, 'up']);
    assert.equal(response.headers.get('server'), 'edge');
  });

  test('settings of clusters and listeners, of those proxies alone', async () => {
    const clusters = await dumped('istio-ingressgateway', 'dynamic_active_clusters');
    assert.match(clusters, /"name": "outbound\|80\|\|echo[^"]*"[^}]*\}[^}]*\}[^{]*"connect_timeout": "1s"/);
    assert.equal(clusters.match(/"connect_timeout": "1s"/g)?.length, 1);
    const listeners = await dumped('echo', 'dynamic_listeners');
    assert.match(listeners, /"per_connection_buffer_limit_bytes": 65536/);
    assert.doesNotMatch(await dumped('scarce', 'dynamic_listeners'), /per_connection_buffer_limit_bytes/);
  });

  test('what would be invalid is not sent, and the last good stays', async () => {
    const log = join(mesh.stateDirectory, 'logs', 'control.log');
    writeFileSync(filters, written.replace('operation: INSERT_BEFORE', 'operation: ADD'));
    await eventually(() =>
      assert.match(readFileSync(log, 'utf8'), /not the router: INSERT_BEFORE puts one before it/),
    );
    assert.equal((await echoed())['x-filtered-by'], 'echo');
    writeFileSync(filters, written.replace('value: echo', 'value: again'));
    await eventually(async () => assert.equal((await echoed())['x-filtered-by'], 'again'));
  });

  test('without the filters nothing is left of them', async () => {
    writeFileSync(filters, '');
    await eventually(async () => assert.equal((await echoed())['x-filtered-by'], undefined));
    await eventually(async () => assert.equal((await fetch(`${mesh.ingressUrl}/scarce`)).status, 200));
    assert.notEqual((await fetch(`${mesh.ingressUrl}/status`)).headers.get('server'), 'edge');
  });
});
