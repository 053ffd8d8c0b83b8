import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { fakeClock } from '#core/clock.ts';
import { seededRandom } from '#core/random.ts';
import { TimerWheel } from '#core/timer-wheel.ts';
import { Metrics } from '#observe/metrics.ts';
import { OutlierDetectionSchema } from '#xds/gen/envoy/config/cluster/v3/outlier_detection_pb.js';
import { Findings } from '../../findings.ts';
import type { UpstreamTransport } from '../../tls/upstream.ts';
import { Endpoint, plainTraits } from '../endpoint.ts';
import { healthFlag } from '../health.ts';
import { HostCells } from '../host-cells.ts';
import { OutlierDetector } from './detector.ts';
import { HostMonitor } from './monitor.ts';
import { readOutlierDetection } from './settings.ts';
import { createOutlierStats } from './stats.ts';

const { failed_outlier_check: OUT } = healthFlag;

function watched(count: number, detection: MessageInitShape<typeof OutlierDetectionSchema>) {
  const settings = readOutlierDetection(create(OutlierDetectionSchema, detection), new Findings())!;
  const clock = fakeClock();
  const scope = new Metrics().scope({ path: 'cluster.a', family: 'cluster', labels: {} });
  const cells = new HostCells(HostCells.memory(1), { index: 0, count: 1 });
  const detector = new OutlierDetector(settings, {
    ...{ clock, random: seededRandom(1), wheel: new TimerWheel(clock), log: undefined },
    stats: createOutlierStats(scope),
    setFlags: (endpoint, flags) => {
      endpoint.flags = flags;
    },
  });
  const hosts = Array.from({ length: count }, (_, i) => {
    const address = `127.0.0.1:${i + 1}`;
    const target = { kind: 'tcp', host: '127.0.0.1', port: i + 1 } as const;
    const endpoint = new Endpoint(target, address, plainTraits(''), {} as UpstreamTransport);
    const row = cells.enter(address, 0);
    detector.add(endpoint, row);
    return {
      endpoint,
      monitor: new HostMonitor(settings, false, row, () => detector.onHits(endpoint, row.take('hits'))),
    };
  });
  const fail = (i: number, times: number): void => {
    for (let n = 0; n < times; n++) hosts[i]!.monitor.responded(500);
  };
  const out = (): number[] => hosts.flatMap(({ endpoint }, i) => ((endpoint.flags & OUT) === 0 ? [] : [i]));
  const value = (name: string): number => scope.counter(`outlier_detection.ejections_${name}`).value;
  return { clock, detector, hosts, fail, out, value };
}

const seconds = (count: number) => ({ seconds: BigInt(count), nanos: 0 });

test('it stays out longer each time, and less so when it was well for a while', () => {
  const { clock, fail, out } = watched(1, {
    consecutive5xx: 1,
    maxEjectionPercent: 100,
    interval: seconds(1),
    baseEjectionTime: seconds(10),
    maxEjectionTime: seconds(15),
  });
  const outFor = (): number => {
    fail(0, 1);
    let passed = 0;
    while (out().length > 0) {
      clock.advance(1000);
      passed++;
    }
    return passed;
  };
  const well = (intervals: number): void => {
    for (let i = 0; i < intervals; i++) clock.advance(1000);
  };
  assert.equal(outFor(), 10);
  // When it comes back, the number of times goes down once.
  assert.equal(outFor(), 10);
  fail(0, 1);
  assert.deepEqual(out(), [0]);
  well(11);
  assert.deepEqual(out(), []);
  well(5);
  assert.equal(outFor(), 10);
});

test('no more than the share that is allowed', () => {
  const { fail, out, value } = watched(4, { consecutive5xx: 2, maxEjectionPercent: 50 });
  for (const i of [0, 1, 2]) fail(i, 2);
  assert.deepEqual(out(), [0, 1]);
  assert.equal(value('overflow'), 1);
  assert.equal(value('enforced_total'), 2);
});

test('an endpoint that is taken away is out no more', () => {
  const { detector, hosts, fail, out } = watched(2, { consecutive5xx: 1, maxEjectionPercent: 50 });
  fail(0, 1);
  fail(1, 1);
  assert.deepEqual(out(), [0]);
  detector.remove(hosts[0]!.endpoint);
  fail(1, 1);
  assert.deepEqual(out(), [0], 'one of one is more than a half');
});

test('an active check that succeeds takes it back', () => {
  const { detector, hosts, fail, out } = watched(1, { consecutive5xx: 1, maxEjectionPercent: 100 });
  fail(0, 1);
  detector.onCheckPassed(hosts[0]!.endpoint);
  assert.deepEqual(out(), []);
});
