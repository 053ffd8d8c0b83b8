import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create, type JsonObject } from '@bufbuild/protobuf';
import { NodeSchema } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { proxyNode } from './node.ts';

const id = 'sidecar~127.3.1.2~reviews.v1-0.default~default.svc.cluster.local';

describe('proxyNode', () => {
  test('reads what a proxy says about itself', () => {
    const metadata: JsonObject = {
      INTERCEPTION_MODE: 'NONE',
      NAMESPACE: 'default',
      LABELS: { app: 'reviews' },
      WORKLOAD_NAME: 'reviews-v1',
    };
    const parsed = proxyNode(create(NodeSchema, { id, userAgentName: 'heddle', metadata }));
    assert.deepEqual(parsed.ok && parsed.value, {
      id,
      role: 'sidecar',
      address: '127.3.1.2',
      // A pod's name may have dots; the namespace has none.
      podName: 'reviews.v1-0',
      namespace: 'default',
      client: 'heddle',
      interceptionMode: 'NONE',
      labels: { app: 'reviews' },
      workloadName: 'reviews-v1',
      clusterId: 'Kubernetes',
    });
  });

  test('an agent is told from the proxy beside it by its id', () => {
    const parsed = proxyNode(create(NodeSchema, { id: id.replace('sidecar', 'agent') }));
    assert.equal(parsed.ok && parsed.value.role, 'agent');
  });

  const clients: [userAgentName: string, metadata: JsonObject, client: string, why: string][] = [
    ['heddle', {}, 'heddle', 'its own name'],
    ['envoy', {}, 'envoy', 'Envoy'],
    ['', {}, 'envoy', 'somebody who does not say: only what Envoy knows'],
    ['gRPC Node Pure JS', { GENERATOR: 'grpc' }, 'grpc', 'as its bootstrap says'],
  ];
  for (const [userAgentName, metadata, client, why] of clients) {
    test(`${client}: ${why}`, () => {
      const parsed = proxyNode(create(NodeSchema, { id, userAgentName, metadata }));
      assert.equal(parsed.ok && parsed.value.client, client);
    });
  }

  const wrong: [id: string, metadata: JsonObject, message: RegExp][] = [
    ['', {}, /is not ROLE~IP~NAME.NAMESPACE~DOMAIN/],
    ['waypoint~1.2.3.4~a.b~c', {}, /is not ROLE/],
    ['sidecar~1.2.3.4~a~b', {}, /names no workload/],
    [id, { INTERCEPTION_MODE: 'EBPF' }, /INTERCEPTION_MODE "EBPF" is not one of NONE, REDIRECT, TPROXY/],
  ];
  for (const [badId, metadata, message] of wrong) {
    test(`refused: ${badId || 'no id'} ${JSON.stringify(metadata)}`, () => {
      const parsed = proxyNode(create(NodeSchema, { id: badId, metadata }));
      assert.equal(parsed.ok, false);
      assert.match(parsed.problems.map((problem) => problem.message).join(), message);
    });
  }
});
