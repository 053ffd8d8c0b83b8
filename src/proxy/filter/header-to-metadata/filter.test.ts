import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { ConfigSchema } from '#xds/gen/envoy/extensions/filters/http/header_to_metadata/v3/header_to_metadata_pb.js';
import { makeFilter, testExchange } from '../../../../test/support/filter-rig.ts';
import { headerToMetadata } from './filter.ts';

const make = (config: JsonValue) =>
  makeFilter(headerToMetadata, ConfigSchema, fromJson(ConfigSchema, config));

test('values that are too long, or not of their type, are left out', () => {
  const rule = (key: string, more: Record<string, JsonValue> = {}): JsonValue => ({
    header: key,
    onHeaderPresent: { metadataNamespace: 'm', key, ...more },
  });
  const filter = make({
    requestRules: [
      rule('long'),
      rule('short'),
      rule('infinite', { type: 'NUMBER' }),
      rule('text', { encode: 'BASE64' }),
    ],
  });
  const told: unknown[] = [];
  const exchange = testExchange({
    requestHeaders: ['long', 'x'.repeat(8192), 'short', 'x', 'infinite', '1e999', 'text', 'YQ'],
    routeConfig: () => undefined,
    setMetadata: (namespace, fields) => told.push([namespace, fields]),
  });
  filter.onRequestHead!(exchange, true);
  assert.deepEqual(told, [['m', { short: 'x' }]]);
});

test('what cannot be is refused with its place', () => {
  const request = (rule: JsonValue): JsonValue => ({ requestRules: [rule] });
  const present = { onHeaderPresent: { key: 'k' } };
  const rows: readonly [JsonValue, RegExp][] = [
    [{}, /has neither request_rules nor response_rules/],
    [request({ ...present }), /request_rules\[0\]: needs either header or cookie/],
    [request({ header: 'a', cookie: 'b', ...present }), /needs either header or cookie/],
    [request({ header: 'a' }), /has neither on_header_present nor on_header_missing/],
    [request({ cookie: 'a', remove: true, ...present }), /remove: is not for cookies/],
    [request({ header: 'a', onHeaderMissing: { key: 'k' } }), /on_header_missing\.value: is missing/],
    [request({ header: 'a', onHeaderPresent: {} }), /on_header_present\.key: is missing/],
    [{ responseRules: [{ cookie: 'a', ...present }] }, /response_rules\[0\]\.cookie: is for requests only/],
    [
      { ...(request({ header: 'a', ...present }) as object), statPrefix: 'x' },
      /stat_prefix: is not supported/,
    ],
  ];
  for (const [json, message] of rows) assert.throws(() => make(json), { message });
});
