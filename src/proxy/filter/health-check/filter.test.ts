import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { fakeClock } from '#core/clock.ts';
import { Metrics } from '#observe/metrics.ts';
import { HealthCheckSchema } from '#xds/gen/envoy/extensions/filters/http/health_check/v3/health_check_pb.js';
import { packAny } from '#xds/registry.ts';
import { filterDeps, makeFilter, testExchange } from '../../../../test/support/filter-rig.ts';
import type { Exchange } from '../contract.ts';
import { healthCheck } from './filter.ts';

const config = (json: JsonValue) => fromJson(HealthCheckSchema, json);
const ask = (): Exchange => testExchange({ isHealthCheck: false, health: { failed: false } });

test('an answer is kept until the end of its period', () => {
  const clock = fakeClock();
  const loaded = healthCheck.load(
    packAny(HealthCheckSchema, config({ passThroughMode: true, cacheTime: '10s' })),
    'typed_config',
    { ...filterDeps(new Metrics()), clock },
  );
  assert.ok(loaded.ok);
  const filter = loaded.value;
  clock.advance(4000);
  const first = ask();
  assert.equal(filter.onRequestHead!(first, true), undefined);
  Object.assign(first, { responseCode: 500, responseHeaders: ['x-envoy-degraded', ''] });
  filter.onResponseHead!(first, true);
  clock.advance(5999);
  const kept = filter.onRequestHead!(ask(), true);
  assert.deepEqual(kept, {
    status: 500,
    body: '',
    flag: 'LH',
    details: 'health_check_cached',
    headers: ['x-envoy-degraded', ''],
  });
  clock.advance(1);
  assert.equal(filter.onRequestHead!(ask(), true), undefined);
});

test('what cannot be is refused with its place', () => {
  const rows: readonly [JsonValue, RegExp][] = [
    [{}, /typed_config\.pass_through_mode: is missing/],
    [{ passThroughMode: false, cacheTime: '1s' }, /cache_time: is for pass_through_mode only/],
    [
      { passThroughMode: true, clusterMinHealthyPercentages: { a: { value: 1 } } },
      /cluster_min_healthy_percentages: is not for pass_through_mode/,
    ],
  ];
  for (const [json, message] of rows)
    assert.throws(() => makeFilter(healthCheck, HealthCheckSchema, config(json)), { message });
});
