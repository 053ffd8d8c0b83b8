import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeClock } from '#core/clock.ts';
import { Metrics } from '#observe/metrics.ts';
import { OverloadMonitor } from './manager.ts';
import { type ActionSettings, defaultOverload, type Effect } from './settings.ts';

test('what is stopped follows the memory taken, both ways', () => {
  const clock = fakeClock();
  const told: string[] = [];
  let used = 500;
  const monitor = new OverloadMonitor(defaultOverload(1000), {
    clock,
    metrics: new Metrics(),
    pressureOf: (resource) => (resource.kind === 'memory' ? used / resource.maxBytes : undefined),
    shrinkHeap: () => false,
    onAction: (action, active) => told.push(`${action.split('.').at(-1)} ${active}`),
  });
  monitor.start();
  const stopped = (): string =>
    Object.entries(monitor.state)
      .flatMap(([name, part]) => (part === 1 ? [name] : []))
      .join();
  assert.equal(stopped(), '');
  used = 910;
  clock.advance(1000);
  assert.equal(stopped(), 'disablesKeepAlive');
  used = 999;
  clock.advance(1000);
  assert.equal(stopped(), 'stopsRequests,disablesKeepAlive,rejectsConnections');
  used = 100;
  clock.advance(1000);
  assert.equal(stopped(), '');
  assert.deepEqual(told, [
    'disable_http_keepalive true',
    'stop_accepting_requests true',
    'reject_incoming_connections true',
    'disable_http_keepalive false',
    'stop_accepting_requests false',
    'reject_incoming_connections false',
  ]);
  monitor.stop();
});

test('a part is refused between the bounds of a scaled trigger, and whole actions wait for all of it', () => {
  const clock = fakeClock();
  const metrics = new Metrics();
  let pressure: number | undefined = 0.5;
  const bounds = { monitor: 'load', from: 0.5, full: 0.75 };
  const action = (name: string, effect: Effect, whole: boolean, isPoint = false): ActionSettings => ({
    name,
    effect,
    triggers: [bounds],
    whole,
    timers: [{ timer: 'streamIdle', leastMs: undefined, leastPart: 0.5 }],
    isPoint,
  });
  const monitor = new OverloadMonitor(
    {
      refreshMs: 1000,
      monitors: [{ name: 'load', resource: { kind: 'file', path: 'load' } }],
      maxConnections: undefined,
      accountPower: undefined,
      actions: [
        action('part', 'stopsRequests', false),
        action('whole', 'rejectsConnections', true),
        action('point', 'shedsRequests', false, true),
        action('shrink', 'shrinksHeap', true),
        action('timers', 'reducesTimeouts', false),
      ],
    },
    { clock, metrics, pressureOf: () => pressure, onAction: () => {}, shrinkHeap: () => true },
  );
  const look = (at: number | undefined): (number | undefined)[] => {
    pressure = at;
    clock.advance(1000);
    const { stopsRequests, rejectsConnections, shedsRequests } = monitor.state;
    return [stopsRequests, rejectsConnections, shedsRequests];
  };
  monitor.start();
  assert.deepEqual(look(0.5), [0, 0, 0]);
  assert.deepEqual(look(0.625), [0.5, 0, 0.5]);
  assert.equal(monitor.state.timers.streamIdle?.lengthOf(100), 75);
  assert.equal(monitor.state.timers.connectionIdle, undefined);
  assert.deepEqual(look(undefined), [0.5, 0, 0.5]);
  assert.deepEqual(look(0.75), [1, 1, 1]);
  monitor.state.onShed('shedsRequests');
  const shown = Object.fromEntries(metrics.lines().map((line) => line.split(': ')));
  assert.equal(shown['overload.load.failed_updates'], '1');
  assert.equal(shown['overload.point.shed_load_count'], '1');
  assert.equal(shown['overload.shrink.shrink_count'], '1');
  monitor.stop();
});
