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
      metadata,
      clusterId: 'Kubernetes',
      addresses: ['127.3.1.2'],
      bindsInbound: false,
      reportsHealth: false,
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

  test('reads what an instance that is no Pod registers', () => {
    const registration = { service: 'reviews', ports: [{ name: 'http', number: 9080, hostPort: 19_080 }] };
    const metadata: JsonObject = {
      HEDDLE_INBOUND: 'BIND',
      HEDDLE_REGISTRATION: registration,
      INSTANCE_IPS: '10.0.0.7, fd00::7',
      NETWORK: 'office',
    };
    const locality = { region: 'eu', zone: 'eu-1' };
    const parsed = proxyNode(create(NodeSchema, { id, metadata, locality }));
    assert.ok(parsed.ok);
    const { addresses, bindsInbound, network } = parsed.value;
    assert.deepEqual(
      [addresses, bindsInbound, network, parsed.value.locality],
      [['10.0.0.7', 'fd00::7'], true, 'office', 'eu/eu-1'],
    );
    assert.deepEqual(parsed.value.registration, registration);
  });

  const bad = { service: 'Reviews', ports: [{ name: 'http', number: 0, hostPort: 1 }, { name: 'http' }] };
  const twice = {
    service: 'reviews',
    ports: [
      { name: 'http', number: 80, hostPort: 8080 },
      { name: 'tcp', number: 81, hostPort: 8080 },
    ],
  };
  const binds = { HEDDLE_INBOUND: 'BIND', INSTANCE_IPS: '10.0.0.7' };
  const wrongRegistrations: [metadata: JsonObject, messages: string[]][] = [
    [
      { HEDDLE_REGISTRATION: bad },
      [
        'node.metadata.HEDDLE_REGISTRATION.service "Reviews" is not a name (small letters, digits, "-")',
        'node.metadata.HEDDLE_REGISTRATION.ports[0].number must be from 1 to 65535, not 0',
        'node.metadata.HEDDLE_REGISTRATION.ports[1].number this field is required',
        'node.metadata.HEDDLE_REGISTRATION.ports[1].hostPort this field is required',
      ],
    ],
    [
      { HEDDLE_REGISTRATION: twice, ...binds },
      ['node.metadata.HEDDLE_REGISTRATION.ports[1].hostPort 8080 is there twice'],
    ],
    [
      { HEDDLE_REGISTRATION: 'reviews' },
      ['node.metadata.HEDDLE_REGISTRATION an object is expected, not the text "reviews"'],
    ],
    [{ AUTO_REGISTER_GROUP: 7 }, ['node.metadata.AUTO_REGISTER_GROUP a text is expected, not the number 7']],
    [{ INSTANCE_IPS: '10.0.0.7,host' }, ['node.metadata.INSTANCE_IPS "host" is not an IP address']],
    [
      { HEDDLE_REGISTRATION: { ...twice, ports: twice.ports.slice(1) } },
      [
        'node.metadata.HEDDLE_REGISTRATION.ports[0].hostPort must be 81, as number: only where HEDDLE_INBOUND is BIND are they two ports',
      ],
    ],
    [
      { HEDDLE_INBOUND: 'BIND' },
      [
        'node.metadata.HEDDLE_INBOUND BIND needs HEDDLE_REGISTRATION or AUTO_REGISTER_GROUP, which say what is bound',
        'node.metadata.INSTANCE_IPS is needed where HEDDLE_INBOUND is BIND: its first address is bound',
      ],
    ],
    [
      { HEDDLE_HEALTH: 'GOOD' },
      ['node.metadata.HEDDLE_HEALTH one of REPORTED is expected, not the text "GOOD"'],
    ],
    [
      {
        AUTO_REGISTER_GROUP: 'vms',
        HEDDLE_REGISTRATION: { ...twice, ports: twice.ports.slice(1) },
        ...binds,
      },
      ['node.metadata.HEDDLE_REGISTRATION excludes AUTO_REGISTER_GROUP: a workload is registered in one way'],
    ],
  ];
  for (const [metadata, messages] of wrongRegistrations) {
    test(`refused: ${JSON.stringify(metadata)}`, () => {
      const parsed = proxyNode(create(NodeSchema, { id, metadata }));
      assert.deepEqual(
        parsed.problems.map(({ path, message }) => `${path} ${message}`),
        messages,
      );
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
