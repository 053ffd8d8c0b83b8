/**
 * `kill -9` of the control plane under load: proxies go on with what they have, find the new one, and tell
 * it what they hold, so that nothing is sent twice.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { apiClient } from '#api/client.ts';
import { discoveryServices } from '#api/contract.ts';
import { bookstoreFiles, bookstoreTraffic } from '../support/bookstore.ts';
import { eventually } from '../support/eventually.ts';
import { startLoad } from '../support/load.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';
import { parseSamples, sumOf } from '../support/prometheus-text.ts';

const backDeadlineMs = 30_000;

describe('kill -9 of the control plane', () => {
  let mesh: RunningMesh;
  const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'));
  before(async () => {
    // Without gRPC's own xDS client: it cannot say what it holds.
    const traffic = join(folder, 'traffic.yaml');
    writeFileSync(
      traffic,
      bookstoreTraffic((document) => !document.includes('recommendations')),
    );
    mesh = await startMesh([...bookstoreFiles('recommendations', 'traffic'), traffic]);
  });
  after(async () => {
    await mesh?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('fails no request, and nothing is sent anew', async () => {
    const api = apiClient(mesh.state().apiUrl);
    const proxies = (await api.proxies()).map(({ proxy }) => proxy);
    assert.deepEqual(
      proxies,
      [...mesh.state().instances, ...mesh.state().gateways]
        .map(({ name, namespace }) => `${name}.${namespace}`)
        .sort(),
    );
    // Through the ingress, then from service to service: storefront asks the catalog, reviews ask ratings.
    const loads = ['/api/catalog', '/api/reviews'].map((path) =>
      startLoad({ url: mesh.ingressUrl + path, connections: 32, ratePerSecond: 100 }),
    );
    try {
      await eventually(() => assert.ok(loads.every(({ answers }) => answers.length > 100)));
      const { pid } = mesh.processOf('control');
      const versions = await acknowledged(api);
      process.kill(pid, 'SIGKILL');
      await eventually(() => assert.notEqual(mesh.processOf('control').pid, pid), {
        timeoutMs: backDeadlineMs,
      });
      await eventually(
        async () => {
          const back = await api.proxies();
          assert.deepEqual(
            back.map(({ proxy }) => proxy),
            proxies,
          );
          assert.deepEqual(await acknowledged(api), versions);
        },
        { timeoutMs: backDeadlineMs },
      );
      const seen = loads.map(({ answers }) => answers.length);
      await eventually(() => {
        assert.ok(loads.every(({ answers }, at) => answers.length > (seen[at] ?? 0) + 100));
      });
    } finally {
      await Promise.all(loads.map((load) => load.stop()));
    }
    for (const load of loads) assert.deepEqual(load.failures(), []);
    const counted = parseSamples(await api.metrics());
    for (const service of discoveryServices) {
      const type = { type: service.toLowerCase() };
      assert.equal(sumOf(counted, 'pilot_xds_pushes', type), 0, `${service}: responses`);
      assert.equal(sumOf(counted, 'pilot_xds_config_size_bytes_sum', type), 0, `${service}: bytes`);
    }
  });
});

/** Versions of what every proxy holds; fails while one has something else than it is to have. */
async function acknowledged(api: ReturnType<typeof apiClient>): Promise<readonly string[]> {
  return (await api.proxies()).flatMap(({ proxy, types }) =>
    discoveryServices.map((service) => {
      const { state, ackedVersion, version } = types[service];
      assert.ok(['SYNCED', 'IGNORED'].includes(state), `${proxy}: ${service} is ${state}`);
      assert.equal(ackedVersion, version);
      return `${proxy} ${service} ${ackedVersion}`;
    }),
  );
}
