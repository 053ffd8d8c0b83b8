import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create, type DescMessage, equals, toBinary } from '@bufbuild/protobuf';
import { AnySchema, DurationSchema, StringValueSchema, StructSchema } from '@bufbuild/protobuf/wkt';
import { formatProblem } from '#core/problem.ts';
import { parseYaml } from '#core/yaml.ts';
import { messageFromDocument } from './document.ts';
import { BootstrapSchema } from './gen/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { ClusterSchema } from './gen/envoy/config/cluster/v3/cluster_pb.js';
import { CidrRangeSchema } from './gen/envoy/config/core/v3/address_pb.js';
import { DataSourceSchema, MetadataSchema, NodeSchema } from './gen/envoy/config/core/v3/base_pb.js';
import { TypedExtensionConfigSchema } from './gen/envoy/config/core/v3/extension_pb.js';
import {
  RouteMatchSchema,
  RouteSchema,
  VirtualHostSchema,
} from './gen/envoy/config/route/v3/route_components_pb.js';
import { PercentSchema } from './gen/envoy/type/v3/percent_pb.js';
import { Int64RangeSchema } from './gen/envoy/type/v3/range_pb.js';
import { plainFromMessage } from './plain.ts';

function read(schema: DescMessage, text: string): string {
  const document = parseYaml(text, 'f').documents[0];
  assert.ok(document !== undefined);
  const parsed = messageFromDocument(schema, document);
  const problems = parsed.problems.map(formatProblem).join('\n');
  return parsed.ok ? JSON.stringify(plainFromMessage(schema, parsed.value)) + problems : problems;
}

describe('messageFromDocument accepts', () => {
  const cases: [schema: DescMessage, text: string, json: string, why: string][] = [
    [NodeSchema, '{user_agent_name: a}', '{"user_agent_name":"a"}', 'snake_case'],
    [NodeSchema, '{userAgentName: a}', '{"user_agent_name":"a"}', 'camelCase'],
    [NodeSchema, '{id: null}', '{}', 'null is a field left out'],
    [NodeSchema, '{metadata: {a: [1, {b: null}]}}', '{"metadata":{"a":[1,{"b":null}]}}', 'a Struct'],
    [ClusterSchema, '{type: EDS}', '{"type":"EDS"}', 'an enum by name'],
    [ClusterSchema, '{type: 3}', '{"type":"EDS"}', 'an enum by number'],
    [ClusterSchema, '{connect_timeout: 0.25s}', '{"connect_timeout":"0.250s"}', 'a duration'],
    [
      ClusterSchema,
      '{connect_timeout: {seconds: 1, nanos: 5000000}}',
      '{"connect_timeout":"1.005s"}',
      'a duration by its parts',
    ],
    [CidrRangeSchema, '{prefix_len: 0}', '{"prefix_len":0}', 'a wrapper keeps its zero'],
    [CidrRangeSchema, '{prefix_len: "8"}', '{"prefix_len":8}', 'a whole number as text'],
    [
      Int64RangeSchema,
      '{start: "-9223372036854775808"}',
      '{"start":"-9223372036854775808"}',
      '64 bits as text',
    ],
    [PercentSchema, '{value: 12.5}', '{"value":12.5}', 'a double'],
    [PercentSchema, '{value: "12.5"}', '{"value":12.5}', 'a double as text'],
    [DataSourceSchema, '{inline_bytes: aGk=}', '{"inline_bytes":"aGk="}', 'base64'],
    [RouteMatchSchema, '{prefix: ""}', '{"prefix":""}', 'a chosen field keeps its empty text'],
    [RouteMatchSchema, '{case_sensitive: false}', '{"case_sensitive":false}', 'a wrapped false'],
    [
      MetadataSchema,
      '{filter_metadata: {envoy.lb: {canary: true}}}',
      '{"filter_metadata":{"envoy.lb":{"canary":true}}}',
      'a map of Structs',
    ],
    [
      TypedExtensionConfigSchema,
      '{typed_config: {"@type": type.googleapis.com/google.protobuf.StringValue, value: x}}',
      '{"typed_config":{"@type":"type.googleapis.com/google.protobuf.StringValue","value":"x"}}',
      'a well-known type in an Any stands under "value"',
    ],
  ];
  for (const [schema, text, json, why] of cases) {
    test(`${schema.name} ${text} (${why})`, () => assert.equal(read(schema, text), json));
  }
});

describe('messageFromDocument refuses', () => {
  const cases: [schema: DescMessage, text: string, problem: string, why: string][] = [
    [
      MetadataSchema,
      '{filter_metadata: [a]}',
      'f:1:2: error: filter_metadata: expected an object, found a list',
      'a list for a map',
    ],
    [
      NodeSchema,
      '{metadata: x}',
      'f:1:2: error: metadata: expected an object, found "x"',
      'a text for a Struct',
    ],
    [
      TypedExtensionConfigSchema,
      '{typed_config: x}',
      'f:1:2: error: typed_config: expected an object with "@type", found "x"',
      'a text for an Any',
    ],
    [
      NodeSchema,
      '{idd: a}',
      'f:1:2: error: idd: the field "idd" is not supported in Node (did you mean "id"?)',
      'a slip',
    ],
    [
      NodeSchema,
      '{id: 1}',
      'f:1:2: error: id: expected a text, found 1 (write "1" in quotes)',
      'a number for a text',
    ],
    [NodeSchema, '{id: [a]}', 'f:1:2: error: id: expected a text, found a list', 'a list for a text'],
    [NodeSchema, '[]', 'f:1:1: error: expected an object, found a list', 'a list for a message'],
    [
      NodeSchema,
      '{locality: x}',
      'f:1:2: error: locality: expected an object, found "x"',
      'a text for a message',
    ],
    [
      VirtualHostSchema,
      '{domains: "*"}',
      'f:1:2: error: domains: expected a list, found "*" (begin each item with "- ")',
      'one for a list',
    ],
    [
      VirtualHostSchema,
      '{domains: [a, 1]}',
      'f:1:15: error: domains[1]: expected a text, found 1 (write "1" in quotes)',
      'one item',
    ],
    [
      ClusterSchema,
      '{connect_timeout: 5}',
      'f:1:2: error: connect_timeout: expected a duration such as "0.25s", found 5 (write "5s")',
      'no unit',
    ],
    [
      ClusterSchema,
      '{type: eds}',
      'f:1:2: error: type: expected one of STATIC, STRICT_DNS, LOGICAL_DNS, EDS, ORIGINAL_DST, found "eds" (did you mean EDS?)',
      'case counts',
    ],
    [
      ClusterSchema,
      '{type: 9}',
      'f:1:2: error: type: expected one of STATIC, STRICT_DNS, LOGICAL_DNS, EDS, ORIGINAL_DST, found 9',
      'no such number',
    ],
    [
      CidrRangeSchema,
      '{prefix_len: -1}',
      'f:1:2: error: prefix_len: expected a whole number from 0 to 4294967295, found -1',
      'below zero',
    ],
    [
      CidrRangeSchema,
      '{prefix_len: 1.5}',
      'f:1:2: error: prefix_len: expected a whole number, found 1.5',
      'a fraction',
    ],
    [PercentSchema, '{value: many}', 'f:1:2: error: value: expected a number, found "many"', 'no number'],
    [
      RouteMatchSchema,
      '{case_sensitive: yes}',
      'f:1:2: error: case_sensitive: expected true or false, found "yes"',
      'YAML 1.1',
    ],
    [
      RouteMatchSchema,
      '{prefix: /, path: /a}',
      'f:1:13: error: path: "path" and "prefix" cannot both be given',
      'a oneof set twice',
    ],
    [
      NodeSchema,
      '{user_agent_name: a, userAgentName: b}',
      'f:1:22: error: userAgentName: "userAgentName" and "user_agent_name" cannot both be given',
      'both spellings',
    ],
    [
      TypedExtensionConfigSchema,
      '{typed_config: {}}',
      'f:1:2: error: typed_config: the field "@type" is missing: it names the type of this object',
      'an Any without a type',
    ],
    [
      TypedExtensionConfigSchema,
      '{typed_config: {"@type": t/envoy.extensions.filters.http.router.v3.Ruoter}}',
      'f:1:17: error: typed_config.@type: the type "t/envoy.extensions.filters.http.router.v3.Ruoter" is not supported (did you mean "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"?)',
      'an Any of an unknown type',
    ],
    [
      TypedExtensionConfigSchema,
      '{typed_config: {"@type": t/envoy.extensions.filters.http.router.v3.Router, dynamic_stat: true}}',
      'f:1:76: error: typed_config.dynamic_stat: the field "dynamic_stat" is not supported in Router (did you mean "dynamic_stats"?)',
      'a slip inside an Any',
    ],
  ];
  for (const [schema, text, problem, why] of cases) {
    test(`${schema.name} ${text} (${why})`, () => assert.equal(read(schema, text), problem));
  }

  test('everything at once', () => {
    const text = 'match: {prefx: /}\nroute: {cluster: 1, timeout: soon}\nname: {}\n';
    assert.equal(read(RouteSchema, text).split('\n').length, 4);
  });
});

test('an unknown field may be a warning', () => {
  const parsed = messageFromDocument(NodeSchema, { value: { id: 'a', x: 1 } }, { unknownFields: 'warning' });
  assert.equal(parsed.ok && parsed.value.id, 'a');
  assert.deepEqual(parsed.problems, [
    { level: 'warning', path: 'x', message: 'the field "x" is not supported in Node' },
  ]);
});

test('a deprecated field is read, with a warning', () => {
  const parsed = messageFromDocument(ClusterSchema, { value: { respect_dns_ttl: true } });
  assert.equal(parsed.ok && parsed.value.respectDnsTtl, true);
  assert.deepEqual(parsed.problems, [
    { level: 'warning', path: 'respect_dns_ttl', message: 'respect_dns_ttl is deprecated' },
  ]);
});

test('what is printed is read back the same', () => {
  const text = `
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
static_resources:
  listeners:
  - name: l
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: x
          route_config: {virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: c}}]}]}
  clusters:
  - {name: c, metadata: {filter_metadata: {envoy.lb: {x: 1}}}, connect_timeout: 1.5s}
`;
  const first = messageFromDocument(BootstrapSchema, parseYaml(text, 'f').documents[0]!);
  assert.ok(first.ok);
  const again = messageFromDocument(BootstrapSchema, {
    value: plainFromMessage(BootstrapSchema, first.value),
  });
  assert.ok(again.ok);
  assert.ok(equals(BootstrapSchema, first.value, again.value));
  assert.deepEqual(toBinary(BootstrapSchema, again.value), toBinary(BootstrapSchema, first.value));
});

test('an Any of an unknown type is printed by its type alone', () => {
  const any = create(AnySchema, { typeUrl: 'type.googleapis.com/a.B', value: Uint8Array.of(8, 1) });
  assert.deepEqual(plainFromMessage(AnySchema, any), { '@type': 'type.googleapis.com/a.B' });
});

test('well-known types stand alone too', () => {
  for (const [schema, value] of [
    [DurationSchema, '1.500s'],
    [StringValueSchema, 'x'],
    [StructSchema, { a: [true] }],
  ] as const) {
    const parsed = messageFromDocument<DescMessage>(schema, { value });
    assert.ok(parsed.ok);
    assert.deepEqual(plainFromMessage<DescMessage>(schema, parsed.value), value);
  }
});
