import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, type JsonObject, type JsonValue } from '@bufbuild/protobuf';
import { RBACSchema } from '#xds/gen/envoy/extensions/filters/http/rbac/v3/rbac_pb.js';
import { RBACSchema as ConnectionSchema } from '#xds/gen/envoy/extensions/filters/network/rbac/v3/rbac_pb.js';
import { registry } from '#xds/registry.ts';
import { makeFilter } from '../../../../test/support/filter-rig.ts';
import { Findings } from '../../findings.ts';
import { readConnectionRbac } from './connection.ts';
import { rbac } from './filter.ts';

const any = { any: true };
const rules = (permission: JsonValue, principal: JsonValue = any, more: JsonObject = {}): JsonObject => ({
  rules: { policies: { p: { permissions: [permission], principals: [principal], ...more } } },
});
const make = (config: JsonObject) =>
  makeFilter(rbac, RBACSchema, fromJson(RBACSchema, config, { registry, ignoreUnknownFields: true }));

test('what cannot be is refused with its place', () => {
  const value = { filter: 'f', path: [{ key: 'k' }] };
  const rows: readonly [JsonObject, RegExp][] = [
    [rules(any, any, { condition: { id: 1 } }), /policies\["p"\]\.condition: is not supported/],
    [rules(any, any, { checkedCondition: {} }), /\.checked_condition: is not supported/],
    [{ matcher: {} }, /matcher: is not supported/],
    [{ shadowMatcher: {} }, /shadow_matcher: is not supported/],
    [rules({}), /permissions\[0\]: says nothing/],
    [rules(any, {}), /principals\[0\]: says nothing/],
    [rules({ any: false }), /any: must be true/],
    [rules({ andRules: {} }), /and_rules\.rules: is missing/],
    [rules({ notRule: { orRules: { rules: [{}] } } }), /not_rule\.or_rules\.rules\[0\]: says nothing/],
    [
      rules({ destinationIp: { addressPrefix: 'x' } }),
      /destination_ip\.address_prefix: "x" is no IP address/,
    ],
    [rules({ destinationPort: 70_000 }), /destination_port: must be at most 65535/],
    [rules({ destinationPortRange: { start: 5, end: 5 } }), /end must be above start/],
    [rules({ matcher: { name: 'm' } }), /matcher: m is not supported/],
    [rules({ urlPath: {} }), /url_path\.path: is missing/],
    [rules({ metadata: { ...value, value: {} } }), /metadata\.value: says nothing/],
    [rules({ metadata: { value: { boolMatch: true } } }), /metadata\.filter: is missing/],
    [rules({ sourcedMetadata: {} }), /sourced_metadata\.metadata_matcher: is missing/],
    [rules(any, { filterState: { key: 'k', addressMatch: {} } }), /address_match: is not supported/],
    [rules(any, { custom: { name: 'c' } }), /custom\.typed_config: is missing/],
    [
      {
        rules: { auditLoggingOptions: { auditCondition: 'ON_DENY', loggerConfigs: [{}] }, policies: {} },
      },
      /audit_logging_options\.logger_configs\[0\]: is not supported/,
    ],
  ];
  for (const [json, message] of rows) assert.throws(() => make(json), { message });
});

test('rules for connections have no headers', () => {
  const findings = new Findings();
  const config = {
    statPrefix: 's',
    ...rules({ header: { name: 'x' } }, { urlPath: { path: { exact: '/' } } }),
  };
  readConnectionRbac(fromJson(ConnectionSchema, config), 'at', findings);
  const told = findings.problems.map(({ level, path, message }) => `${level} ${path}: ${message}`);
  assert.deepEqual(told, [
    'error at.rules.policies["p"].permissions[0].header: is not for connections: there are no headers',
    'warning at.rules.policies["p"].principals[0].url_path: never matches: connections have no path',
  ]);
});
