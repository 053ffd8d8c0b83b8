/**
 * gRPC without a proxy: the storefront's calls to recommendations are routed by gRPC's own xDS client, as
 * the VirtualService says, and that client reports every resource as accepted.
 */
import assert from 'node:assert/strict';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { ClientResourceStatus } from '#xds/gen/envoy/admin/v3/config_dump_shared_pb.js';
import { ClusterSchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { ClientConfig_GenericXdsConfig } from '#xds/gen/envoy/service/status/v3/csds_pb.js';
import { clientStatus } from '../support/client-status.ts';
import { eventually } from '../support/eventually.ts';
import { startLoad } from '../support/load.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';
import { assertShares } from '../support/share.ts';

/** An edit takes effect in under a second. */
const effectDeadlineMs = 1_000;

describe('proxyless gRPC', () => {
  let mesh: RunningMesh;
  let traffic: string;
  let admin: string;
  const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'));
  before(async () => {
    traffic = join(folder, 'traffic.yaml');
    admin = `unix:${join(folder, 'admin.sock')}`;
    writeFileSync(traffic, readFileSync('examples/bookstore/traffic.yaml'));
    const others = globSync('examples/bookstore/*.yaml').filter((file) => !file.endsWith('traffic.yaml'));
    mesh = await startMesh([...others, traffic], { env: { GRPC_ADMIN_ADDRESS: admin } });
    // On a busy machine, what was last to come up may be heard of a little later.
    await eventually(async () => {
      await version();
      await clientStatus(admin);
    });
  });
  after(async () => {
    await mesh?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const version = async (): Promise<string> => {
    const response = await fetch(`${mesh.ingressUrl}/api/recommendations`);
    const body = (await response.json()) as { version: string };
    assert.equal(response.status, 200, JSON.stringify(body));
    return body.version;
  };

  /** What gRPC's own xDS client has, all of it accepted. */
  const accepted = async (): Promise<ClientConfig_GenericXdsConfig[]> => {
    const configs = await clientStatus(admin);
    const resources = configs.flatMap(({ genericXdsConfigs }) => genericXdsConfigs);
    for (const { name, clientStatus: status, errorState } of resources) {
      assert.equal(ClientResourceStatus[status], 'ACKED', `${name}: ${errorState?.details}`);
    }
    return resources;
  };

  test('calls are divided as the VirtualService says', () =>
    assertShares(version, { v1: 50, v2: 50 }, { tolerancePoints: 5 }));

  test('every resource is acknowledged, and clusters are reached by mutual TLS', async () => {
    const resources = await accepted();
    const kinds = new Set(resources.map(({ typeUrl }) => typeUrl.replace(/^.*\./, '')));
    assert.deepEqual([...kinds].sort(), [
      'Cluster',
      'ClusterLoadAssignment',
      'Listener',
      'RouteConfiguration',
    ]);
    for (const { typeUrl, name, xdsConfig } of resources) {
      if (xdsConfig === undefined || !typeUrl.endsWith('.Cluster')) continue;
      const { transportSocket } = fromBinary(ClusterSchema, xdsConfig.value);
      assert.equal(transportSocket?.name, 'envoy.transport_sockets.tls', name);
    }
  });

  test('a change of the weights is followed within a second, and fails no call', async () => {
    const url = `${mesh.ingressUrl}/api/recommendations`;
    const load = startLoad({ url, connections: 16, ratePerSecond: 100 });
    try {
      await eventually(() => assert.ok(load.answers.length > 50));
      const all = readFileSync(traffic, 'utf8')
        .replace('weight: 50', 'weight: 0')
        .replace('weight: 50', 'weight: 100');
      assert.match(all, /weight: 100/);
      const editedMs = performance.now();
      writeFileSync(traffic, all);
      const after = await eventually(() => {
        const later = load.answers.filter(({ sentMs }) => sentMs > editedMs + effectDeadlineMs);
        assert.ok(later.length >= 100);
        return later;
      });
      assert.deepEqual(load.failures(), []);
      const versions = after.map(({ body }) => (JSON.parse(body) as { version: string }).version);
      assert.deepEqual([...new Set(versions)], ['v2']);
    } finally {
      await load.stop();
    }
    await accepted();
  });
});
