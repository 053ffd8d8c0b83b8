import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { seededRandom } from '#core/random.ts';
import { Metrics } from '#observe/metrics.ts';
import { AdaptiveConcurrencySchema } from '#xds/gen/envoy/extensions/filters/http/adaptive_concurrency/v3/adaptive_concurrency_pb.js';
import { makeFilter } from '../../../../test/support/filter-rig.ts';
import { adaptiveConcurrency } from './filter.ts';
import { GradientController, type GradientSettings, type GradientStats } from './gradient-controller.ts';
import { Latencies } from './latencies.ts';

const plain: GradientSettings = {
  ...{ percentile: 0.5, minLimit: 3, maxLimit: 1000, updateMs: 100, fixedMinRttMs: 0 },
  ...{ measureMs: 60_000, jitter: 0, measuredRequests: 5, measuringLimit: 3, buffer: 0.25 },
};

class Rig {
  readonly stats: GradientStats;
  readonly controller: GradientController;
  nowMs = 1000;

  constructor(settings: Partial<GradientSettings> = {}) {
    const scope = new Metrics().scope({ path: 'test', family: 'test', labels: {} });
    this.stats = {
      rq_blocked: scope.counter('rq_blocked'),
      burst_queue_size: scope.gauge('burst_queue_size'),
      concurrency_limit: scope.gauge('concurrency_limit'),
      gradient: scope.gauge('gradient'),
      min_rtt_calculation_active: scope.gauge('min_rtt_calculation_active'),
      min_rtt_msecs: scope.gauge('min_rtt_msecs'),
      sample_rtt_msecs: scope.gauge('sample_rtt_msecs'),
    };
    this.controller = new GradientController({ ...plain, ...settings }, this.stats, seededRandom(1), 1000);
  }

  get limit(): number {
    return this.stats.concurrency_limit.value;
  }

  /** Requests one after the other. */
  serve(count: number, tookMs: number): void {
    for (let i = 0; i < count; i++) {
      assert.equal(this.controller.admit(this.nowMs), true);
      const startMs = this.nowMs;
      this.nowMs += tookMs;
      this.controller.record(startMs, this.nowMs);
    }
  }
}

describe('the gradient controller', () => {
  test('measures first, with few requests at once', () => {
    const rig = new Rig();
    assert.equal(rig.stats.min_rtt_calculation_active.value, 1);
    for (let i = 0; i < 3; i++) assert.equal(rig.controller.admit(rig.nowMs), true);
    assert.equal(rig.controller.admit(rig.nowMs), false);
    assert.equal(rig.stats.rq_blocked.value, 1);
    for (let i = 0; i < 3; i++) rig.controller.cancel();
    rig.serve(5, 10);
    assert.equal(rig.stats.min_rtt_calculation_active.value, 0);
    assert.equal(rig.stats.min_rtt_msecs.value, 10);
    assert.equal(rig.limit, 3);
  });

  test('lets more in where requests take as long as alone, and less where they take longer', () => {
    const rig = new Rig();
    rig.serve(5, 10);
    // Gradient 1.25 of 10 ms: 3.75 and the root of it is 5; then 6.25 and 2.5 is 8.
    rig.serve(11, 10);
    assert.equal(rig.limit, 5);
    rig.serve(10, 10);
    assert.equal(rig.limit, 8);
    rig.serve(6, 1000);
    assert.equal(rig.stats.gradient.value, 500);
    assert.equal(rig.limit, 3);
  });

  test('measures anew after five lowest limits, and after the interval', () => {
    const rig = new Rig({ minLimit: 3, maxLimit: 3 });
    rig.serve(5, 10);
    rig.serve(6, 110);
    assert.equal(rig.stats.min_rtt_calculation_active.value, 1);
    const later = new Rig();
    later.serve(5, 10);
    later.nowMs += 60_000;
    later.serve(1, 10);
    assert.equal(later.stats.min_rtt_calculation_active.value, 1);
  });

  test('requests from before a measurement do not count for it', () => {
    const rig = new Rig({ measuredRequests: 1 });
    rig.serve(1, 10);
    assert.equal(rig.controller.admit(rig.nowMs), true);
    const startMs = rig.nowMs;
    rig.nowMs += 60_001;
    assert.equal(rig.controller.admit(rig.nowMs), true);
    rig.controller.record(startMs, rig.nowMs);
    assert.equal(rig.stats.min_rtt_calculation_active.value, 1);
  });
});

test('quantiles are within two digits', () => {
  const latencies = new Latencies();
  for (let i = 1; i <= 1000; i++) latencies.add(i * 1000);
  for (const ratio of [0.1, 0.5, 0.9, 0.99]) {
    const value = latencies.quantile(ratio);
    assert.ok(Math.abs(value / (ratio * 1_000_000) - 1) < 0.02, `${ratio}: ${value}`);
  }
  latencies.clear();
  latencies.add(0);
  assert.equal(latencies.quantile(1) >= 1, true);
});

test('what cannot be is refused with its place', () => {
  const make = (gradientControllerConfig: JsonObject) =>
    makeFilter(
      adaptiveConcurrency,
      AdaptiveConcurrencySchema,
      fromJson(AdaptiveConcurrencySchema, { gradientControllerConfig }),
    );
  const good = { concurrencyUpdateInterval: '0.1s' };
  const rows: readonly [JsonObject, RegExp][] = [
    [{}, /concurrency_limit_params: is missing[\s\S]*min_rtt_calc_params: is missing/],
    [{ concurrencyLimitParams: {}, minRttCalcParams: {} }, /concurrency_update_interval: must be above 0/],
    [{ concurrencyLimitParams: good, minRttCalcParams: {} }, /must have one of interval and fixed_value/],
    [
      { concurrencyLimitParams: good, minRttCalcParams: { interval: '1s', requestCount: 0 } },
      /request_count: must be at least 1/,
    ],
    [
      { concurrencyLimitParams: good, minRttCalcParams: { interval: '1s', jitter: { value: 101 } } },
      /jitter\.value: must be 0 to 100/,
    ],
  ];
  for (const [json, message] of rows) assert.throws(() => make(json), { message });
});
