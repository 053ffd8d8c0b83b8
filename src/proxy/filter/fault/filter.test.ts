import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { fakeClock } from '#core/clock.ts';
import { TimerWheel } from '#core/timer-wheel.ts';
import { Metrics } from '#observe/metrics.ts';
import { HTTPFaultSchema } from '#xds/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import { packAny } from '#xds/registry.ts';
import { filterDeps, makeFilter, testExchange } from '../../../../test/support/filter-rig.ts';
import type { Exchange } from '../contract.ts';
import { fault } from './filter.ts';

const half = { numerator: 50 };
const all = { numerator: 100 };
const config = (json: JsonValue) => fromJson(HTTPFaultSchema, json);

const exchange = (more: Partial<Exchange> = {}): Exchange =>
  testExchange({
    slots: [],
    routeConfig: () => undefined,
    addFlag() {},
    wheel: new TimerWheel(fakeClock()),
    ...more,
  });

test('a share of requests is aborted', () => {
  const filter = makeFilter(fault, HTTPFaultSchema, config({ abort: { httpStatus: 503, percentage: half } }));
  let aborted = 0;
  for (let i = 0; i < 10_000; i++) {
    const one = exchange();
    if (filter.onRequestHead!(one, true) !== undefined) aborted++;
    filter.onEnd!(one);
  }
  // Five times the deviation of so many coins.
  assert.ok(Math.abs(aborted - 5000) < 250, String(aborted));
});

test('no more are active than may be, and those that end make room', () => {
  const metrics = new Metrics();
  const filter = makeFilter(
    fault,
    HTTPFaultSchema,
    config({ delay: { fixedDelay: '5s', percentage: all }, maxActiveFaults: 2 }),
    { metrics },
  );
  const gauge = (): unknown => metrics.stats().find(({ name }) => name === 'http.test.fault.active_faults');
  const [first, second, third, fourth] = [exchange(), exchange(), exchange(), exchange()];
  assert.equal(filter.onRequestHead!(first, true), 'wait');
  assert.equal(filter.onRequestHead!(second, true), 'wait');
  assert.equal(filter.onRequestHead!(third, true), undefined);
  assert.match(JSON.stringify(gauge()), /2/);
  filter.onEnd!(first);
  assert.equal(first.wheel.size, 0);
  assert.equal(filter.onRequestHead!(fourth, true), 'wait');
});

test('what the route says holds instead', () => {
  const ofListener = config({ abort: { httpStatus: 503, percentage: all } });
  const filter = makeFilter(fault, HTTPFaultSchema, ofListener);
  const ofRoute = packAny(HTTPFaultSchema, config({ abort: { httpStatus: 404, percentage: all } }));
  const loaded = fault.loadForRoute!(ofRoute, 'path', filterDeps(new Metrics()));
  assert.ok(loaded.ok);
  const told = (routeConfig: unknown): unknown =>
    filter.onRequestHead!(exchange({ routeConfig: () => routeConfig }), true);
  assert.match(JSON.stringify(told(undefined)), /503/);
  assert.match(JSON.stringify(told(loaded.value)), /404/);
});

test('what cannot be is refused with its place', () => {
  const rows: readonly [JsonValue, RegExp][] = [
    [{ abort: {} }, /typed_config\.abort: has none of/],
    [{ abort: { httpStatus: 199 } }, /typed_config\.abort\.http_status: must be from 200 to 599/],
    [{ delay: {} }, /typed_config\.delay: has neither/],
    [{ delay: { fixedDelay: '0s' } }, /typed_config\.delay\.fixed_delay: must be more than 0/],
    [{ responseRateLimit: {} }, /response_rate_limit: has neither/],
    [{ responseRateLimit: { fixedLimit: {} } }, /limit_kbps: must be at least 1/],
  ];
  for (const [json, message] of rows)
    assert.throws(() => makeFilter(fault, HTTPFaultSchema, config(json)), { message });
});
