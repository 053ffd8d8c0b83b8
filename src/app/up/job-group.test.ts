import assert from 'node:assert/strict';
import { beforeEach, describe, type TestContext, test } from 'node:test';
import { captureEverything } from './capture-plan.ts';
import type { Instance } from './instance.ts';
import { JobGroup } from './job-group.ts';
import type { JobPlan } from './job-plan.ts';
import { usualProxy } from './proxy-plan.ts';
import type { WorkloadPlan } from './workload-plan.ts';

const plan = (job: Partial<JobPlan>, serviceAccount = 'mover'): WorkloadPlan => ({
  key: 'default/move',
  name: 'move',
  namespace: 'default',
  replicas: 1,
  job: { parallelism: 1, backoffLimit: 2, indexed: false, restarts: false, ...job },
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
  awaited: boolean;
  hasEnded: boolean;
  failures: number;
  outcome: 'completed' | 'failed' | undefined;
  finish(outcome: 'completed' | 'failed'): void;
}

describe('JobGroup', () => {
  let all: Fake[];
  let log: string[];
  let group: JobGroup;
  const make = (job: Partial<JobPlan>): void => {
    group = new JobGroup(plan(job), {
      startInstance(_, index): Instance {
        const fake: Fake = {
          id: all.length + 1,
          awaited: false,
          hasEnded: false,
          failures: 0,
          outcome: undefined,
          finish(outcome) {
            log.push(`end ${this.id}`);
            this.outcome = outcome;
            this.hasEnded = true;
          },
        };
        all.push(fake);
        log.push(`start ${fake.id}${index === undefined ? '' : ` as ${index}`}`);
        return fake as unknown as Instance;
      },
      stopInstance: (instance) => void log.push(`stop ${(instance as unknown as Fake).id}`),
      wake: () => group.converge(),
      tell: (_, message) => void log.push(message),
    });
    group.converge();
  };
  const end = (id: number, outcome: 'completed' | 'failed'): void => {
    Object.assign(all[id - 1]!, { outcome, hasEnded: true });
    group.converge();
  };
  /** What happened since the last call. */
  const news = (): string[] => log.splice(0);
  beforeEach(() => {
    all = [];
    log = [];
  });
  const mockTime = (t: TestContext): void => t.mock.timers.enable({ apis: ['setTimeout'] });

  test('one instance, to its end', () => {
    make({});
    assert.deepEqual(news(), ['start 1']);
    assert.equal(group.describe().state, 'running');
    end(1, 'completed');
    group.converge();
    assert.deepEqual(news(), ['completed']);
    assert.deepEqual(group.describe(), {
      name: 'move',
      namespace: 'default',
      state: 'completed',
      succeeded: 1,
      failed: 0,
    });
  });

  test('nobody waits for its end, but for its start', () => {
    make({});
    all[0]!.awaited = true;
    assert.equal(group.settled, false);
    all[0]!.awaited = false;
    assert.equal(group.settled, true);
  });

  test('as many at a time, until enough have completed', () => {
    make({ completions: 3, parallelism: 2 });
    assert.deepEqual(news(), ['start 1', 'start 2']);
    end(2, 'completed');
    assert.deepEqual(news(), ['start 3']);
    end(1, 'completed');
    assert.deepEqual(news(), []);
    end(3, 'completed');
    assert.deepEqual(news(), ['completed']);
  });

  test('each index completes once', (t) => {
    mockTime(t);
    make({ completions: 3, parallelism: 2, indexed: true });
    assert.deepEqual(news(), ['start 1 as 0', 'start 2 as 1']);
    end(1, 'failed');
    assert.deepEqual(news(), ['failed 1 of at most 3 times, tried again in 100 ms']);
    t.mock.timers.tick(100);
    assert.deepEqual(news(), ['start 3 as 0']);
    end(2, 'completed');
    assert.deepEqual(news(), ['start 4 as 2']);
  });

  test('without completions one is enough, and the others go on to their end', () => {
    make({ parallelism: 2 });
    end(1, 'completed');
    assert.deepEqual(news(), ['start 1', 'start 2']);
    end(2, 'completed');
    assert.deepEqual(news(), ['completed']);
  });

  test('no completions at all', () => {
    make({ completions: 0 });
    assert.deepEqual(news(), ['completed']);
  });

  test('tries again after growing pauses, and gives up', (t) => {
    mockTime(t);
    make({});
    end(1, 'failed');
    assert.deepEqual(news(), ['start 1', 'failed 1 of at most 3 times, tried again in 100 ms']);
    group.converge();
    t.mock.timers.tick(99);
    assert.deepEqual(news(), []);
    t.mock.timers.tick(1);
    end(2, 'failed');
    assert.deepEqual(news(), ['start 2', 'failed 2 of at most 3 times, tried again in 200 ms']);
    t.mock.timers.tick(200);
    end(3, 'failed');
    t.mock.timers.tick(10_000);
    assert.deepEqual(news(), ['start 3', 'failed: 3 of its runs have failed']);
    assert.deepEqual(group.describe().state, 'failed');
  });

  test('counts containers that are started again, and ends what runs', () => {
    make({ restarts: true, parallelism: 2, completions: 2 });
    all[0]!.failures = 2;
    group.converge();
    assert.deepEqual(news(), ['start 1', 'start 2']);
    all[1]!.failures = 1;
    group.converge();
    assert.deepEqual(news(), ['failed: 3 of its runs have failed', 'end 1', 'end 2']);
  });

  test('has its time', (t) => {
    mockTime(t);
    make({ deadlineMs: 3_000 });
    t.mock.timers.tick(3_000);
    assert.deepEqual(news(), ['start 1', 'failed: it has not completed within 3 s', 'end 1']);
    assert.equal(group.describe().state, 'failed');
  });

  test('is not run again, but when it is another', () => {
    make({});
    end(1, 'completed');
    assert.equal(group.setPlan(plan({})), false);
    group.converge();
    assert.deepEqual(news(), ['start 1', 'completed']);
    assert.equal(group.setPlan(plan({}, 'other')), true);
    group.converge();
    assert.deepEqual(news(), ['stop 1', 'start 2']);
    assert.equal(group.describe().state, 'running');
  });

  test('another run waits for the end of the last', () => {
    make({});
    group.setPlan(plan({}, 'other'));
    group.converge();
    assert.deepEqual(news(), ['start 1', 'stop 1']);
    all[0]!.hasEnded = true;
    group.converge();
    assert.deepEqual(news(), ['start 2']);
  });
});
