import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadBootstrap } from '#proxy/bootstrap/load.ts';
import type { Bootstrap } from '#xds/gen/envoy/config/bootstrap/v3/bootstrap_pb.js';
import type { Endpoint } from '#xds/gen/envoy/config/endpoint/v3/endpoint_components_pb.js';
import { envoyBootstrap } from './envoy-bootstrap.ts';
import { grpcBootstrap } from './grpc-bootstrap.ts';
import { workloadNode } from './workload-node.ts';

const place = {
  pod: 'reviews-v1-1',
  namespace: 'shop',
  workload: 'reviews-v1',
  serviceAccount: 'reviews',
  labels: { app: 'reviews', version: 'v1' },
  address: '127.9.1.1',
  clusterId: 'Kubernetes',
  meshId: 'cluster.local',
};

const paths = {
  secureXds: '127.9.0.1:15012',
  rootCertificate: '/state/ca/root-cert.pem',
  sdsSocket: '/state/socket',
};

function load(document: object): Bootstrap {
  const loaded = loadBootstrap([{ name: 'bootstrap', text: JSON.stringify(document) }], {
    allowUnknownFields: false,
  });
  assert.deepEqual(loaded.problems, []);
  assert.ok(loaded.ok);
  return loaded.value.bootstrap;
}

test("an Envoy's bootstrap is one that our own proxy takes too, field by field", () => {
  const { node, admin, clusterManager } = load(envoyBootstrap({ ...place, ...paths }));
  assert.equal(node?.id, 'sidecar~127.9.1.1~reviews-v1-1.shop~shop.svc.cluster.local');
  assert.equal(node?.cluster, 'reviews.shop');
  assert.equal(node?.metadata?.INTERCEPTION_MODE, 'NONE');
  assert.equal(node?.metadata?.GENERATOR, undefined);
  assert.equal(admin?.address?.address.case, 'socketAddress');
  assert.equal(clusterManager, undefined);
});

test('where traffic is captured, what Envoy sends has the mark, and what it asks of itself has no address', () => {
  const document = envoyBootstrap({
    ...place,
    ...paths,
    interceptionMode: 'REDIRECT',
    adminSocket: '/state/admin',
  });
  const { node, admin, clusterManager, staticResources } = load(document);
  assert.equal(node?.metadata?.INTERCEPTION_MODE, 'REDIRECT');
  const options = clusterManager?.upstreamBindConfig?.socketOptions ?? [];
  assert.deepEqual(
    options.map(({ level, name, value }) => [level, name, value]),
    [[1n, 36n, { case: 'intValue', value: 1338n }]],
  );
  assert.equal(admin?.address?.address.case, 'pipe');
  const own = staticResources?.clusters.find(({ name }) => name === 'admin');
  const [endpoint] = own?.loadAssignment?.endpoints[0]?.lbEndpoints ?? [];
  assert.equal((endpoint?.hostIdentifier.value as Endpoint | undefined)?.address?.address.case, 'pipe');
});

test("the tag takes the whole name of a cluster of the mesh out of a metric's name", () => {
  const { stats_config } = envoyBootstrap({ ...place, ...paths }) as {
    stats_config: { stats_tags: { tag_name: string; regex?: string }[] };
  };
  const regex = stats_config.stats_tags.find(({ tag_name }) => tag_name === 'envoy.cluster_name')?.regex;
  const cases: [metric: string, name: string][] = [
    [
      'cluster.outbound|9080|v1|reviews.default.svc.cluster.local.upstream_cx_total',
      'outbound|9080|v1|reviews.default.svc.cluster.local',
    ],
    ['cluster.inbound|9080||.upstream_rq_total', 'inbound|9080||'],
    ['cluster.xds-grpc.upstream_cx_total', 'xds-grpc'],
  ];
  for (const [metric, name] of cases) {
    const match = new RegExp(regex ?? '').exec(metric);
    assert.equal(match?.[2], name);
    assert.equal(match?.[1], `${name}.`);
  }
});

test("gRPC's bootstrap names the plaintext port and the files of the agent", () => {
  const document = grpcBootstrap({ ...place, plaintextXds: '127.9.0.1:15010', certificateFolder: '/state' });
  assert.deepEqual(document, {
    xds_servers: [
      { server_uri: '127.9.0.1:15010', channel_creds: [{ type: 'insecure' }], server_features: ['xds_v3'] },
    ],
    node: {
      id: 'sidecar~127.9.1.1~reviews-v1-1.shop~shop.svc.cluster.local',
      cluster: 'reviews.shop',
      locality: {},
      metadata: {
        GENERATOR: 'grpc',
        INTERCEPTION_MODE: 'NONE',
        NAMESPACE: 'shop',
        NAME: 'reviews-v1-1',
        WORKLOAD_NAME: 'reviews-v1',
        SERVICE_ACCOUNT: 'reviews',
        LABELS: { app: 'reviews', version: 'v1' },
        CLUSTER_ID: 'Kubernetes',
        MESH_ID: 'cluster.local',
      },
    },
    certificate_providers: {
      default: {
        plugin_name: 'file_watcher',
        config: {
          certificate_file: '/state/cert-chain.pem',
          private_key_file: '/state/key.pem',
          ca_certificate_file: '/state/root-cert.pem',
          refresh_interval: '10s',
        },
      },
    },
    server_listener_resource_name_template: 'xds.istio.io/grpc/lds/inbound/%s',
  });
});

test('what an instance that is no Pod registers, in the names that the control plane reads', () => {
  const registration = { service: 'reviews', ports: [{ name: 'http', number: 9080, hostPort: 19_080 }] };
  const instanceIps = ['10.0.0.7', 'fd00::7'];
  const { metadata } = workloadNode({ ...place, registration, instanceIps, inbound: 'BIND' });
  assert.equal(metadata.INSTANCE_IPS, '10.0.0.7,fd00::7');
  assert.equal(metadata.HEDDLE_INBOUND, 'BIND');
  assert.deepEqual(metadata.HEDDLE_REGISTRATION, registration);
  const member = { ...place, group: 'vms' };
  assert.equal(workloadNode(member).metadata.AUTO_REGISTER_GROUP, 'vms');
  assert.equal(workloadNode(member, 'grpc').metadata.AUTO_REGISTER_GROUP, undefined);
});
