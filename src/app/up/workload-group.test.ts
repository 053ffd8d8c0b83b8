import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { captureEverything } from './capture-plan.ts';
import type { Instance } from './instance.ts';
import { usualProxy } from './proxy-plan.ts';
import { WorkloadGroup } from './workload-group.ts';
import type { WorkloadPlan } from './workload-plan.ts';

const plan = (replicas: number, serviceAccount = 'reviews'): WorkloadPlan => ({
  key: 'default/reviews-v1',
  name: 'reviews-v1',
  namespace: 'default',
  replicas,
  labels: {},
  annotations: {},
  serviceAccount,
  initContainers: [],
  containers: [],
  volumes: [],
  sidecar: 'heddle',
  capture: captureEverything,
  proxy: usualProxy,
  grpcAgent: false,
  graceMs: 1,
});

/** What the group sees of an instance. */
interface Fake {
  readonly id: number;
  readonly plan: WorkloadPlan;
  ready: boolean;
  hasEnded: boolean;
}

describe('WorkloadGroup', () => {
  let running: Fake[];
  let log: string[];
  let group: WorkloadGroup;
  const answer = (...ids: number[]): void => {
    for (const fake of running) if (ids.includes(fake.id)) fake.ready = true;
    group.converge();
  };

  beforeEach(() => {
    running = [];
    log = [];
    let lastId = 0;
    group = new WorkloadGroup(plan(2), {
      startInstance(latest): Instance {
        const fake: Fake = { id: ++lastId, plan: latest, ready: false, hasEnded: false };
        running.push(fake);
        log.push(`start ${fake.id}`);
        return fake as unknown as Instance;
      },
      stopInstance(instance): void {
        const fake = instance as unknown as Fake;
        running = running.filter((one) => one !== fake);
        log.push(`stop ${fake.id}`);
      },
    });
    group.converge();
    log.length = 0;
  });

  test('Recreate: new ones start when the old ones have ended', () => {
    const [first, second] = running;
    answer(1, 2);
    group.setPlan({ ...plan(2, 'other'), recreates: true });
    group.converge();
    assert.deepEqual(log, ['stop 1', 'stop 2']);
    first!.hasEnded = true;
    group.converge();
    assert.equal(log.length, 2);
    second!.hasEnded = true;
    group.converge();
    assert.deepEqual(log, ['stop 1', 'stop 2', 'start 3', 'start 4']);
  });

  test('Recreate alone is no reason to', () => {
    answer(1, 2);
    assert.equal(group.setPlan({ ...plan(2), recreates: true }), false);
    group.converge();
    assert.deepEqual(log, []);
  });

  test('starts as many as the Deployment says, and settles when they answer', () => {
    assert.deepEqual(
      running.map(({ id }) => id),
      [1, 2],
    );
    assert.equal(group.settled, false);
    answer(1, 2);
    assert.equal(group.settled, true);
    assert.deepEqual(log, []);
  });

  test('more replicas: those that are missing', () => {
    assert.equal(group.setPlan(plan(4)), true);
    group.converge();
    assert.deepEqual(log, ['start 3', 'start 4']);
  });

  test('fewer replicas: the youngest goes, unless an older one does not answer', () => {
    answer(2);
    group.setPlan(plan(1));
    group.converge();
    assert.deepEqual(log, ['stop 1']);
  });

  test('the same plan changes nothing', () => {
    assert.equal(group.setPlan(plan(2)), false);
    group.converge();
    assert.deepEqual(log, []);
  });

  test('a changed plan replaces one by one, an old one only when a new one answers', () => {
    answer(1, 2);
    assert.equal(group.setPlan(plan(2, 'other')), true);
    group.converge();
    assert.deepEqual(log, ['start 3', 'start 4']);
    answer(4);
    assert.deepEqual(log.splice(0), ['start 3', 'start 4', 'stop 2']);
    assert.equal(group.settled, false);
    answer(3);
    assert.deepEqual(log, ['stop 1']);
    assert.equal(group.settled, true);
  });

  test('a second change during the first: those of the middle plan go as well', () => {
    answer(1, 2);
    group.setPlan(plan(2, 'second'));
    group.converge();
    group.setPlan(plan(2, 'third'));
    group.converge();
    // 3 and 4 answered nobody yet, 1 and 2 do.
    assert.deepEqual(log, ['start 3', 'start 4', 'start 5', 'start 6', 'stop 4', 'stop 3']);
    answer(5, 6);
    assert.deepEqual(
      running.map(({ id }) => id),
      [5, 6],
    );
  });

  test('no replicas: all go', () => {
    answer(1, 2);
    group.setPlan(plan(0));
    group.converge();
    assert.deepEqual(log, ['stop 2', 'stop 1']);
    assert.equal(group.settled, true);
  });
});
