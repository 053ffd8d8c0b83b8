/**
 * gRPC without a proxy: the storefront's calls to recommendations are routed by gRPC's own xDS client, as
 * the VirtualService says, and that client reports every resource as accepted.
 */
import assert from 'node:assert/strict';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import * as grpc from '@grpc/grpc-js';
import { ClientResourceStatus } from '#xds/gen/envoy/admin/v3/config_dump_shared_pb.js';
import {
  type ClientConfig,
  ClientStatusRequestSchema,
  ClientStatusResponseSchema,
} from '#xds/gen/envoy/service/status/v3/csds_pb.js';
import { eventually } from '../support/eventually.ts';
import { type RunningMesh, startMesh } from '../support/mesh.ts';
import { tally } from '../support/tally.ts';

const requests = 300;
const tolerancePoints = 10;
/** An edit takes effect in under a second; the rest is the time to ask. */
const changeDeadlineMs = 3_000;

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
  });
  after(async () => {
    await mesh?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const versions = (count: number): Promise<Map<string, number>> =>
    tally(count, async () => {
      const response = await fetch(`${mesh.ingressUrl}/api/recommendations`);
      const body = (await response.json()) as { version: string };
      assert.equal(response.status, 200, JSON.stringify(body));
      return body.version;
    });

  test('calls are divided as the VirtualService says', async () => {
    const counts = await versions(requests);
    const share = ((counts.get('v2') ?? 0) / requests) * 100;
    assert.ok(Math.abs(share - 50) <= tolerancePoints, `v2 got ${share} %`);
  });

  test('every resource is acknowledged', async () => {
    const configs = await clientStatus(admin);
    const resources = configs.flatMap(({ genericXdsConfigs }) => genericXdsConfigs);
    assert.ok(
      resources.length >= 4,
      `${resources.length} resources: a listener, routes, clusters, endpoints`,
    );
    for (const { name, clientStatus: status, errorState } of resources) {
      assert.equal(ClientResourceStatus[status], 'ACKED', `${name}: ${errorState?.details}`);
    }
  });

  test('a change of the weights is followed within a second', async () => {
    const all = readFileSync(traffic, 'utf8').replaceAll(
      /subset: v1\n {6}weight: 50([\s\S]*?)weight: 50/g,
      'subset: v1\n      weight: 0$1weight: 100',
    );
    assert.match(all, /weight: 100/);
    writeFileSync(traffic, all);
    await eventually(async () => assert.deepEqual([...(await versions(20)).keys()], ['v2']), {
      timeoutMs: changeDeadlineMs,
    });
  });
});

/** Asks gRPC's Client Status Discovery Service what xDS resources that process has (gRFC A40). */
function clientStatus(address: string): Promise<ClientConfig[]> {
  const client = new grpc.Client(address, grpc.credentials.createInsecure());
  return new Promise<ClientConfig[]>((resolve, reject) => {
    client.makeUnaryRequest(
      '/envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus',
      () => Buffer.from(toBinary(ClientStatusRequestSchema, create(ClientStatusRequestSchema))),
      (bytes) => fromBinary(ClientStatusResponseSchema, bytes),
      {},
      (error, response) => {
        if (error !== null) reject(error);
        else resolve(response?.config ?? []);
      },
    );
  }).finally(() => client.close());
}
