import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromBinary } from '@bufbuild/protobuf';
import { ListenerSchema } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import {
  DeltaDiscoveryResponseSchema,
  DiscoveryResponseSchema,
} from '#xds/gen/envoy/service/discovery/v3/discovery_pb.js';
import { encodeResource } from '#xds/snapshot.ts';
import { responseEncoder } from './encode-response.ts';

const encoder = responseEncoder('control-1');
const controlPlane = { identifier: 'control-1' };
const resources = ['a', 'b'].map((name) => encodeResource('listener', create(ListenerSchema, { name })));

test('a state-of-the-world response decodes to what was put in', () => {
  const response = {
    typeUrl: 'type',
    nonce: '7',
    versionInfo: 'v1',
    resources: resources.map(({ any }) => any),
  };
  const bytes = new Uint8Array(encoder.sotw(create(DiscoveryResponseSchema, response)));
  const decoded = fromBinary(DiscoveryResponseSchema, bytes);
  assert.deepEqual(decoded, create(DiscoveryResponseSchema, { ...response, controlPlane }));
});

test('so does a delta response, from parts encoded the first and the second time', () => {
  for (const nonce of ['1', '2']) {
    const response = {
      typeUrl: 'type',
      nonce,
      systemVersionInfo: 'v1',
      resources: resources.map(({ name, version, any }) => ({ name, version, resource: any })),
      removedResources: ['c', 'd'],
    };
    const bytes = new Uint8Array(encoder.delta(create(DeltaDiscoveryResponseSchema, response)));
    const expected = create(DeltaDiscoveryResponseSchema, { ...response, controlPlane });
    assert.deepEqual(fromBinary(DeltaDiscoveryResponseSchema, bytes), expected);
  }
});

test('an empty response is one', () => {
  const decoded = fromBinary(
    DiscoveryResponseSchema,
    new Uint8Array(encoder.sotw(create(DiscoveryResponseSchema))),
  );
  assert.deepEqual(decoded, create(DiscoveryResponseSchema, { controlPlane }));
});
