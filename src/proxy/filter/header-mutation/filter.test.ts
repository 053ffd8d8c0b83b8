import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { HeaderMutationSchema } from '#xds/gen/envoy/extensions/filters/http/header_mutation/v3/header_mutation_pb.js';
import { makeFilter, testExchange } from '../../../../test/support/filter-rig.ts';
import { headerMutation } from './filter.ts';

const make = (mutations: JsonValue) =>
  makeFilter(headerMutation, HeaderMutationSchema, fromJson(HeaderMutationSchema, { mutations }));

test('trailers are changed, those of requests and those of responses', () => {
  const filter = make({
    requestTrailersMutations: [{ remove: 'x-a' }],
    responseTrailersMutations: [{ append: { header: { key: 'x-b', value: 'two' } } }],
  });
  const exchange = testExchange({ routeConfigs: () => [] });
  const trailers = ['x-a', '1', 'x-c', '3'];
  filter.onRequestTrailers!(exchange, trailers);
  assert.deepEqual(trailers, ['x-c', '3']);
  filter.onResponseTrailers!(exchange, trailers);
  assert.deepEqual(trailers, ['x-c', '3', 'x-b', 'two']);
});

test('what cannot be is refused with its place', () => {
  const append = (header: JsonValue): JsonValue => ({ requestMutations: [{ append: { header } }] });
  const query = (mutation: JsonValue): JsonValue => ({ queryParameterMutations: [mutation] });
  const rows: readonly [JsonValue, RegExp][] = [
    [append({ key: ':path', value: '/' }), /request_mutations\[0\]\.append\.header\.key: ":path" cannot be/],
    [append({ key: 'Host', value: 'a' }), /"host" cannot be changed/],
    [append({ key: 'x-a', value: '%NO_SUCH%' }), /header\.value: /],
    [{ responseMutations: [{ remove: ':status' }] }, /response_mutations\[0\]\.remove: ":status"/],
    [{ requestMutations: [{}] }, /request_mutations\[0\]: has none of/],
    [{ requestMutations: [{ removeOnMatch: {} }] }, /key_matcher: is missing/],
    [query({}), /query_parameter_mutations\[0\]: has neither/],
    [query({ append: {} }), /append\.record: is missing/],
    [query({ append: { record: { key: 'a', value: 1 } } }), /record\.value: must be a text/],
    [query({ remove: 'a', append: { record: { key: 'a', value: 'b' } } }), /has both/],
  ];
  for (const [json, message] of rows) assert.throws(() => make(json), { message });
});
