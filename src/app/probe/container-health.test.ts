import assert from 'node:assert/strict';
import { beforeEach, describe, type TestContext, test } from 'node:test';
import { ContainerHealth } from './container-health.ts';
import type { PlannedAction, ProbePlan, ProbePlans } from './probe-plan.ts';

const probe = (name: string, more: Partial<ProbePlan> = {}): ProbePlan => ({
  action: { kind: 'exec', command: [name] },
  initialDelayMs: 0,
  periodMs: 1000,
  timeoutMs: 100,
  successThreshold: 1,
  failureThreshold: 3,
  ...more,
});

describe('ContainerHealth', () => {
  /** What each probe finds from now on, '' for well; and what was tried. */
  let finds: Record<string, string>;
  let tried: string[];
  let told: string[];
  beforeEach(() => {
    finds = {};
    tried = [];
    told = [];
  });

  const health = (plans: ProbePlans): ContainerHealth => {
    const made = new ContainerHealth(plans, {
      perform: async (action: PlannedAction) => {
        const [name] = (action as { readonly command: readonly string[] }).command;
        tried.push(name!);
        return finds[name!] ?? '';
      },
      onChange: () => told.push(made.ready ? 'ready' : 'not ready'),
      onFailed: (kind, reason, graceMs) => told.push(`${kind}: ${reason} ${graceMs ?? ''}`.trim()),
    });
    return made;
  };

  /** So many seconds, each with what is due in it. */
  const pass = async (t: TestContext, seconds: number): Promise<void> => {
    for (let i = 0; i < seconds; i++) {
      t.mock.timers.tick(1000);
      for (let turn = 0; turn < 5; turn++) await Promise.resolve();
    }
  };

  test('readiness comes with the first success and goes with the third failure', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const one = health({ readiness: probe('ready') });
    assert.equal(one.decides, true);
    one.started();
    assert.equal(one.ready, false);
    await pass(t, 1);
    assert.equal(one.ready, true);
    finds.ready = 'HTTP status 503';
    await pass(t, 2);
    assert.equal(one.ready, true);
    await pass(t, 1);
    assert.deepEqual([one.ready, one.reason], [false, 'HTTP status 503']);
    finds.ready = '';
    await pass(t, 1);
    assert.equal(one.ready, true);
    assert.deepEqual(told, ['not ready', 'ready', 'not ready', 'ready']);
  });

  test('several successes in a row, where that is asked for', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const one = health({ readiness: probe('ready', { successThreshold: 3 }) });
    one.started();
    await pass(t, 2);
    finds.ready = 'no';
    await pass(t, 1);
    finds.ready = '';
    await pass(t, 2);
    assert.equal(one.ready, false);
    await pass(t, 1);
    assert.equal(one.ready, true);
  });

  test('until it is ready it is asked every second, whatever the period', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    finds.ready = 'no';
    const one = health({ readiness: probe('ready', { periodMs: 10_000 }) });
    one.started();
    await pass(t, 5);
    assert.ok(tried.length >= 4, `${tried.length}`);
    finds.ready = '';
    await pass(t, 2);
    tried = [];
    await pass(t, 8);
    assert.deepEqual(tried, []);
  });

  test('nothing else is asked before it has started', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    finds.start = 'not yet';
    const one = health({
      startup: probe('start', { failureThreshold: 30 }),
      liveness: probe('live'),
      readiness: probe('ready'),
    });
    one.started();
    await pass(t, 5);
    assert.deepEqual([...new Set(tried)], ['start']);
    assert.equal(one.reason, 'not yet');
    finds.start = '';
    await pass(t, 2);
    tried = [];
    await pass(t, 3);
    assert.deepEqual([...new Set(tried)].sort(), ['live', 'ready']);
    assert.equal(one.ready, true);
  });

  test('one that does not start in time is started anew', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    finds.start = 'refused';
    const one = health({ startup: probe('start', { graceMs: 5 }) });
    one.started();
    await pass(t, 4);
    assert.deepEqual(told, ['not ready', 'startup: refused 5']);
    tried = [];
    await pass(t, 4);
    assert.deepEqual(tried, [], 'it is not asked while it does not run');
    one.started();
    await pass(t, 1);
    assert.deepEqual(tried, ['start']);
    one.ended();
  });

  test('one that does not live is started anew, and is not ready meanwhile', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const one = health({
      liveness: probe('live', { initialDelayMs: 2000, failureThreshold: 2 }),
      readiness: probe('ready'),
    });
    one.started();
    await pass(t, 1);
    assert.deepEqual(tried, ['ready']);
    finds.live = 'stuck';
    await pass(t, 3);
    assert.deepEqual(told.slice(-2), ['not ready', 'liveness: stuck']);
    assert.equal(one.ready, false);
  });

  test('liveness alone does not decide about readiness', () => {
    assert.equal(health({ liveness: probe('live') }).decides, false);
  });
});
