import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { StatefulSessionSchema } from '#xds/gen/envoy/extensions/filters/http/stateful_session/v3/stateful_session_pb.js';
import { registry } from '#xds/registry.ts';
import { makeFilter, testExchange } from '../../../../test/support/filter-rig.ts';
import { statefulSession } from './filter.ts';

const make = (json: JsonValue) =>
  makeFilter(statefulSession, StatefulSessionSchema, fromJson(StatefulSessionSchema, json, { registry }));
const state = (type: string, fields: Readonly<Record<string, JsonValue>>): JsonValue => ({
  sessionState: {
    typedConfig: { '@type': `type.googleapis.com/envoy.extensions.http.stateful_session.${type}`, ...fields },
  },
});
const byHeader = (name: string): JsonValue => state('header.v3.HeaderBasedSessionState', { name });
const byCookie = (cookie: JsonValue): JsonValue => state('cookie.v3.CookieBasedSessionState', { cookie });

test('a session is asked for by what the request says', () => {
  const filter = make({ ...(byHeader('X-Session') as object), strict: true });
  const address = Buffer.from('10.0.0.1:80').toString('base64');
  const exchange = testExchange({ requestHeaders: ['x-session', address], routeConfig: () => undefined });
  filter.onRequestHead!(exchange, true);
  assert.deepEqual(exchange.wantedEndpoint, { address: '10.0.0.1:80', isStrict: true, missingStatus: 503 });
});

test('what cannot be is refused with its place', () => {
  const rows: readonly [JsonValue, RegExp][] = [
    [byHeader(''), /session_state\.typed_config\.name: is missing/],
    [byHeader('x y'), /typed_config\.name: "x y" is not the name of a header/],
    [state('cookie.v3.CookieBasedSessionState', {}), /typed_config\.cookie: is missing/],
    [byCookie({}), /cookie\.name: is missing/],
    [byCookie({ name: 'a', ttl: '-1s' }), /cookie\.ttl: must not be negative/],
    [byCookie({ name: 'a', attributes: [{ name: 'b\r\nc' }] }), /attributes\[0\]\.name: must not have NUL/],
    [{ sessionState: {} }, /session_state\.typed_config: is missing/],
    [{ statusOnStrictDestinationNotFound: 99 }, /must be from 200 to 599/],
  ];
  for (const [json, message] of rows) assert.throws(() => make(json), { message });
});
