import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { captureEverything } from './capture-plan.ts';
import type { Instance } from './instance.ts';
import { OrderedGroup } from './ordered-group.ts';
import { usualProxy } from './proxy-plan.ts';
import type { WorkloadPlan } from './workload-plan.ts';

const plan = (replicas: number, more: Partial<WorkloadPlan> = {}): WorkloadPlan => ({
  key: 'default/db',
  name: 'db',
  namespace: 'default',
  replicas,
  ordinals: { start: 0, ordered: true },
  labels: {},
  annotations: {},
  serviceAccount: 'db',
  initContainers: [],
  containers: [],
  volumes: [],
  sidecar: 'heddle',
  capture: captureEverything,
  proxy: usualProxy,
  grpcAgent: false,
  graceMs: 1,
  ...more,
});
const changed = { serviceAccount: 'other' };

/** What the group sees of an instance. */
interface Fake {
  readonly ordinal: number;
  readonly plan: WorkloadPlan;
  ready: boolean;
  state: string;
}

describe('OrderedGroup', () => {
  let all: Fake[];
  let log: string[];
  /** Numbers of instances of an earlier group that are stopping. */
  const elsewhere = new Set<number>();
  let group: OrderedGroup;
  const running = (): Fake[] => all.filter(({ state }) => state === 'running');
  /** The latest instance of a number becomes ready. */
  const answer = (...ordinals: number[]): void => {
    for (const ordinal of ordinals) all.findLast((fake) => fake.ordinal === ordinal)!.ready = true;
    group.converge();
  };
  /** What is stopping has stopped. */
  const stopped = (): void => {
    for (const fake of all) if (fake.state === 'stopping') fake.state = 'stopped';
    group.converge();
  };
  const begin = (first: WorkloadPlan): void => {
    all = [];
    log = [];
    group = new OrderedGroup(first, {
      isFree: (ordinal) => !elsewhere.has(ordinal),
      startInstance(latest, ordinal): Instance {
        const busy = running().some((fake) => fake.ordinal === ordinal);
        assert.ok(!busy, `${ordinal} runs already`);
        const fake: Fake = { ordinal, plan: latest, ready: false, state: 'running' };
        all.push(fake);
        log.push(`start ${ordinal}`);
        return fake as unknown as Instance;
      },
      stopInstance(instance): void {
        const fake = instance as unknown as Fake;
        fake.state = 'stopping';
        fake.ready = false;
        log.push(`stop ${fake.ordinal}`);
      },
    });
    group.converge();
  };
  const change = (next: WorkloadPlan): void => {
    log.length = 0;
    group.setPlan(next);
    group.converge();
  };

  beforeEach(() => {
    begin(plan(3));
    answer(0);
    answer(1);
    answer(2);
  });

  test('the next starts when those before it are ready', () => {
    assert.deepEqual(log, ['start 0', 'start 1', 'start 2']);
    assert.equal(group.settled, true);
    begin(plan(3));
    assert.deepEqual(log, ['start 0']);
    assert.equal(group.settled, false);
  });

  test('all at once, where they are parallel, from the number that is said', () => {
    begin(plan(2, { ordinals: { start: 5, ordered: false } }));
    assert.deepEqual(log, ['start 5', 'start 6']);
  });

  test('fewer: the last goes first, and the next when it has stopped', () => {
    change(plan(1));
    assert.deepEqual(log, ['stop 2']);
    stopped();
    assert.deepEqual(log, ['stop 2', 'stop 1']);
    stopped();
    assert.equal(group.settled, true);
  });

  test('a number is given again when its instance has stopped, and not before', () => {
    change(plan(2));
    group.setPlan(plan(3));
    group.converge();
    assert.deepEqual(log, ['stop 2']);
    stopped();
    assert.deepEqual(log, ['stop 2', 'start 2']);
  });

  test('a number that an earlier group has is not given before that is gone', () => {
    elsewhere.add(1);
    begin(plan(3, { ordinals: { start: 0, ordered: false } }));
    assert.deepEqual(log.splice(0), ['start 0', 'start 2']);
    elsewhere.clear();
    group.converge();
    assert.deepEqual(log, ['start 1']);
  });

  test('a changed plan replaces one after the other, from the last', () => {
    change(plan(3, changed));
    assert.deepEqual(log.splice(0), ['stop 2']);
    stopped();
    assert.deepEqual(log.splice(0), ['start 2']);
    answer(2);
    assert.deepEqual(log.splice(0), ['stop 1']);
    stopped();
    answer(1);
    stopped();
    answer(0);
    assert.deepEqual(log, ['start 1', 'stop 0', 'start 0']);
    assert.equal(group.settled, true);
  });

  test('one that is not ready is replaced at once: its plan may be why', () => {
    all.find(({ ordinal }) => ordinal === 1)!.ready = false;
    change(plan(3, changed));
    assert.deepEqual(log, ['stop 1']);
  });

  test('in the end all go', () => {
    log.length = 0;
    group.stopAll();
    group.stopAll();
    assert.deepEqual(log.sort(), ['stop 0', 'stop 1', 'stop 2']);
  });
});
