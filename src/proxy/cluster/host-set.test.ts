import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '#core/random.ts';
import { atOnce } from '#core/time-slice.ts';
import { roundRobin } from '../balance/policies.ts';
import { noRuntime } from '../runtime/values.ts';
import type { UpstreamTransport } from '../tls/upstream.ts';
import { plainAssignmentPolicy } from './balancer.ts';
import { Endpoint, plainTraits } from './endpoint.ts';
import { healthFlag } from './health.ts';
import { HostSet } from './host-set.ts';
import { newPickContext } from './pick-context.ts';

function endpoint(port: number, priority = 0): Endpoint {
  const traits = { ...plainTraits(''), priority };
  const target = { kind: 'tcp', host: '127.0.0.1', port } as const;
  return new Endpoint(target, `127.0.0.1:${port}`, traits, {} as UpstreamTransport);
}

function hostSet(): HostSet {
  return new HostSet({
    policy: roundRobin,
    settings: {
      random: seededRandom(1),
      slowStart: undefined,
      fullScan: false,
      choiceCount: 2,
      activeRequestBias: 1,
      activeRequests: () => 0,
      report: () => {},
    },
    panicPercent: 0,
    runtime: noRuntime,
    failsInPanic: false,
    localityWeighted: false,
    ownLocality: undefined,
    zones: undefined,
    onPanic: () => {},
  });
}

/** Addresses that some picks give, each once. */
function picked(hosts: HostSet): string[] {
  const context = newPickContext();
  const all = Array.from({ length: 8 }, () => hosts.pick(context)?.address ?? 'none');
  return [...new Set(all)].sort();
}

test('flags that change while endpoints are brought in take effect with them', () => {
  const hosts = hostSet();
  const [one, other] = [endpoint(1), endpoint(2)];
  const steps = hosts.replace([one, other], plainAssignmentPolicy);
  steps.next();
  one.flags = healthFlag.failed_active_hc;
  hosts.noteChange();
  atOnce(hosts.refresh());
  atOnce(steps);
  atOnce(hosts.refresh());
  assert.deepEqual(picked(hosts), ['127.0.0.1:2']);
  assert.deepEqual(hosts.members(), { healthy: 1, degraded: 0, excluded: 0 });
});

test('flags that change while others are brought in are not lost', () => {
  const hosts = hostSet();
  const [one, other] = [endpoint(1), endpoint(2, 1)];
  atOnce(hosts.replace([one]));
  assert.deepEqual(picked(hosts), ['127.0.0.1:1']);
  const steps = hosts.replace([one, other]);
  steps.next();
  one.flags = healthFlag.failed_outlier_check;
  hosts.noteChange();
  atOnce(hosts.refresh());
  assert.deepEqual(picked(hosts), ['none']);
  atOnce(steps);
  atOnce(hosts.refresh());
  assert.deepEqual(picked(hosts), ['127.0.0.1:2']);
});

test('an endpoint that was tried is turned down while there is a choice', () => {
  const hosts = hostSet();
  const [one, other] = [endpoint(1), endpoint(2)];
  atOnce(hosts.replace([one, other]));
  const tried = new Set([one]);
  const refusal = { refuses: (endpoint: Endpoint) => tried.has(endpoint) };
  const context = { ...newPickContext(), refusal, attempts: 5 };
  for (let i = 0; i < 4; i++) assert.equal(hosts.pick(context), other);
  tried.add(other);
  assert.notEqual(hosts.pick(context), undefined);
});
