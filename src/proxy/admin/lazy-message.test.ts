import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  create,
  type DescMessage,
  fromBinary,
  fromJson,
  type JsonValue,
  type Message,
  toBinary,
} from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import { ClusterSchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { FilterSchema } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import { ListenerSchema } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import { HttpConnectionManagerSchema } from '#xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { SecretSchema } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { plainFromMessage } from '#xds/plain.ts';
import { packAny } from '#xds/registry.ts';
import { jsonPieces, LazyObject } from './json-pieces.ts';
import { lazyMessage } from './lazy-message.ts';
import { redacted } from './redact.ts';

const many = (make: (i: number) => JsonValue): JsonValue[] => Array.from({ length: 300 }, (_, i) => make(i));

const assignmentJson: JsonValue = {
  clusterName: 'a',
  policy: { overprovisioningFactor: 140 },
  endpoints: [
    {
      locality: { region: 'r' },
      lbEndpoints: many((i) => ({
        endpoint: { hostname: `h${i}`, address: { pipe: { path: `/${i}` } } },
        loadBalancingWeight: i + 1,
        metadata: { filterMetadata: { 'envoy.lb': { n: i, list: [null, true] } } },
      })),
    },
  ],
};
const assignment = fromJson(ClusterLoadAssignmentSchema, assignmentJson);

const manager = fromJson(HttpConnectionManagerSchema, {
  statPrefix: 'h',
  routeConfig: {
    name: 'r',
    virtualHosts: many((i) => ({
      name: `v${i}`,
      domains: [`${i}.test`],
      routes: [{ match: { prefix: '/' }, route: { cluster: 'a', timeout: '5s' } }],
    })),
  },
});
const foreign = create(AnySchema, { typeUrl: 'type.googleapis.com/a.B', value: Uint8Array.of(8, 1) });
const filters = [packAny(HttpConnectionManagerSchema, manager), foreign].map((value) =>
  create(FilterSchema, { name: 'f', configType: { case: 'typedConfig', value } }),
);
const listener = create(ListenerSchema, { name: 'l', filterChains: [{ filters }] });
const cluster = fromJson(ClusterSchema, {
  name: 'c',
  connectTimeout: '0.1s',
  loadAssignment: assignmentJson,
});
const secret = fromJson(SecretSchema, {
  name: 's',
  tlsCertificate: { privateKey: { inlineString: 'KEY' } },
});

const cases: [name: string, schema: DescMessage, message: Message, large: boolean][] = [
  ['a load assignment', ClusterLoadAssignmentSchema, assignment, true],
  ['a cluster with one', ClusterSchema, cluster, true],
  ['a listener with a large table inside an Any', ListenerSchema, listener, true],
  [
    'the same as it came',
    ListenerSchema,
    fromBinary(ListenerSchema, toBinary(ListenerSchema, listener)),
    true,
  ],
  ['a secret', SecretSchema, secret, false],
];

for (const [name, schema, message, large] of cases) {
  test(`${name} is shown as if it were made at once`, () => {
    const lazy = lazyMessage(schema, message);
    assert.equal(lazy instanceof LazyObject, large);
    const pieces = [...jsonPieces(lazy)];
    assert.ok(Math.max(...pieces.map(({ length }) => length)) < 2000);
    const plain = redacted(plainFromMessage(schema, message));
    assert.deepEqual(JSON.parse(pieces.join('')), plain);
    assert.ok(!pieces.join('').includes('KEY'));
  });
}
