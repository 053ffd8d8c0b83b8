import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import {
  EndpointSchema,
  LbEndpointSchema,
  LocalityLbEndpointsSchema,
} from './gen/envoy/config/endpoint/v3/endpoint_components_pb.js';
import { ClusterLoadAssignmentSchema } from './gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { FilterSchema } from './gen/envoy/config/listener/v3/listener_components_pb.js';
import { ListenerSchema } from './gen/envoy/config/listener/v3/listener_pb.js';
import { RouterSchema } from './gen/envoy/extensions/filters/http/router/v3/router_pb.js';
import { packAny } from './registry.ts';
import { unknownFields } from './unknown-fields.ts';

/** Field 27, a varint: of no message here. */
const field27 = Uint8Array.of(0xd8, 0x01, 0x01);

test('a message of known fields has none', () => {
  const listener = create(ListenerSchema, { name: 'l', metadata: { filterMetadata: { a: { b: 1 } } } });
  assert.deepEqual(
    unknownFields(ListenerSchema, fromBinary(ListenerSchema, toBinary(ListenerSchema, listener))),
    [],
  );
});

test('found in messages, in lists, inside an Any, and as the type of an Any', () => {
  const router = packAny(RouterSchema, fromBinary(RouterSchema, field27));
  const foreign = create(AnySchema, { typeUrl: 'type.googleapis.com/a.B', value: field27 });
  const filters = [router, foreign].map((typedConfig) =>
    create(FilterSchema, { name: 'f', configType: { case: 'typedConfig', value: typedConfig } }),
  );
  const listener = create(ListenerSchema, { filterChains: [{ name: 'none' }, { filters }] });
  const bytes = Uint8Array.from([...toBinary(ListenerSchema, listener), 0x80, 0x7d, 0x01]);
  assert.deepEqual(unknownFields(ListenerSchema, fromBinary(ListenerSchema, bytes)), [
    { path: '#2000', type: 'envoy.config.listener.v3.Listener' },
    {
      path: 'filter_chains[1].filters[0].typed_config.#27',
      type: 'envoy.extensions.filters.http.router.v3.Router',
    },
    { path: 'filter_chains[1].filters[1].typed_config.@type', type: 'type.googleapis.com/a.B' },
  ]);
});

test('found in maps, in oneofs and beside many that hold none', () => {
  const assignment = fromBinary(ClusterLoadAssignmentSchema, field27);
  const hosts = Array.from({ length: 1000 }, () => create(LbEndpointSchema));
  const odd = create(LbEndpointSchema, {
    hostIdentifier: { case: 'endpoint', value: fromBinary(EndpointSchema, field27) },
    metadata: { typedFilterMetadata: { 'a.b': create(AnySchema, { typeUrl: 'type.googleapis.com/a.B' }) } },
  });
  assignment.endpoints.push(create(LocalityLbEndpointsSchema, { lbEndpoints: [...hosts, odd, ...hosts] }));
  assert.deepEqual(
    unknownFields(ClusterLoadAssignmentSchema, assignment).map(({ path }) => path),
    [
      '#27',
      'endpoints[0].lb_endpoints[1000].endpoint.#27',
      'endpoints[0].lb_endpoints[1000].metadata.typed_filter_metadata["a.b"].@type',
    ],
  );
});
