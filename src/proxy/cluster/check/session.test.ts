import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { fakeClock } from '#core/clock.ts';
import { seededRandom } from '#core/random.ts';
import { TimerWheel } from '#core/timer-wheel.ts';
import { HealthCheckSchema } from '#xds/gen/envoy/config/core/v3/health_check_pb.js';
import { Findings } from '../../findings.ts';
import type { PoolDeps, PoolSettings } from '../../pool/settings.ts';
import { noRuntime } from '../../runtime/values.ts';
import type { UpstreamTransport } from '../../tls/upstream.ts';
import { Endpoint, plainTraits } from '../endpoint.ts';
import { healthFlag, healthText } from '../health.ts';
import { HealthChecker } from './checker.ts';
import type { ProbeHandler } from './probe.ts';
import { CheckSession } from './session.ts';
import { readHealthChecks } from './settings.ts';
import { unseenScope } from './unseen-scope.ts';

const seconds = (count: number) => ({ seconds: BigInt(count), nanos: 0 });

const usual: MessageInitShape<typeof HealthCheckSchema> = {
  timeout: seconds(1),
  interval: seconds(10),
  unhealthyInterval: seconds(20),
  unhealthyEdgeInterval: seconds(3),
  healthyEdgeInterval: seconds(2),
  unhealthyThreshold: 2,
  healthyThreshold: 2,
  healthChecker: { case: 'tcpHealthCheck', value: {} },
};

function session() {
  const findings = new Findings();
  const settings = readHealthChecks([create(HealthCheckSchema, usual)], findings)!;
  assert.deepEqual(findings.problems, []);
  const clock = fakeClock();
  const endpoint = new Endpoint(
    { kind: 'tcp', host: '127.0.0.1', port: 1 },
    '127.0.0.1:1',
    plainTraits(''),
    {} as UpstreamTransport,
  );
  endpoint.flags = healthFlag.failed_active_hc;
  const checker = new HealthChecker(settings, {
    runtime: noRuntime,
    ...{ clock, random: seededRandom(1), wheel: new TimerWheel(clock), scope: unseenScope, cluster: 'a' },
    ...{ pool: {} as PoolSettings, poolDeps: {} as PoolDeps, log: undefined },
    hasTraffic: () => true,
    transportFor: () => endpoint.transport,
    setFlags: (of, flags) => {
      of.flags = flags;
    },
    onResult: () => {},
  });
  let begun = 0;
  let handler: ProbeHandler | undefined;
  const one = new CheckSession(endpoint, checker, (of) => {
    handler = of;
    return { begin: () => begun++, abort: () => {}, close: () => {} };
  });
  one.start();
  /** How many seconds it takes until the next check. */
  const untilNext = (): number => {
    const before = begun;
    for (let passed = 1; ; passed++) {
      clock.advance(1000);
      if (begun > before) return passed;
    }
  };
  return { clock, handler: handler!, untilNext, health: () => healthText(endpoint.flags) };
}

test('one success is enough at first, and then it takes as many failures as the settings say', () => {
  const { handler, untilNext, health } = session();
  handler.passed(false);
  assert.equal(health(), 'healthy');
  assert.equal(untilNext(), 10);
  handler.failed({ type: 'NETWORK' });
  assert.equal(health(), 'healthy');
  assert.equal(untilNext(), 3, 'the edge to being unhealthy');
  handler.failed({ type: 'NETWORK' });
  assert.equal(health(), '/failed_active_hc');
  assert.equal(untilNext(), 20);
  handler.passed(false);
  assert.equal(health(), '/failed_active_hc');
  assert.equal(untilNext(), 2, 'the edge to being healthy');
  handler.passed(false);
  assert.equal(health(), 'healthy');
});

test('an answer that says it is not well counts at once, unless it may be tried again', () => {
  const { handler, untilNext, health } = session();
  handler.passed(false);
  untilNext();
  handler.failed({ type: 'ACTIVE', retriable: true });
  assert.equal(health(), 'healthy');
  untilNext();
  handler.passed(false);
  untilNext();
  handler.failed({ type: 'ACTIVE', immediate: true });
  assert.equal(health(), '/failed_active_hc/excluded_via_immediate_hc_fail');
});

test('no answer in time', () => {
  const { clock, health } = session();
  clock.advance(1000);
  assert.equal(health(), '/failed_active_hc/active_hc_timeout');
});

test('degraded, and no more', () => {
  const { handler, untilNext, health } = session();
  handler.passed(true);
  assert.equal(health(), '/degraded_active_hc');
  untilNext();
  handler.passed(false);
  assert.equal(health(), 'healthy');
});

test('what is wrong with settings is told with its place', () => {
  const findings = new Findings();
  const statuses = [{ start: 200n, end: 200n }];
  const http = {
    case: 'httpHealthCheck',
    value: { expectedStatuses: statuses, send: { payload: { case: 'text', value: 'x' } } },
  } as const;
  readHealthChecks([create(HealthCheckSchema, { healthChecker: http })], findings);
  assert.deepEqual(
    findings.problems.map(({ path }) => path),
    [
      'health_checks[0].interval',
      'health_checks[0].http_health_check.path',
      'health_checks[0].http_health_check.send.text',
      'health_checks[0].http_health_check.expected_statuses[0]',
      'health_checks[0].timeout',
      'health_checks[0].unhealthy_threshold',
      'health_checks[0].healthy_threshold',
    ],
  );
});
