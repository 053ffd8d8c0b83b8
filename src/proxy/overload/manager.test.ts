import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeClock } from '#core/clock.ts';
import { Metrics } from '#observe/metrics.ts';
import { OverloadMonitor } from './manager.ts';
import { defaultOverload } from './settings.ts';

test('what is stopped follows the memory taken, both ways', () => {
  const clock = fakeClock();
  const told: string[] = [];
  let used = 500;
  const monitor = new OverloadMonitor(defaultOverload(1000), {
    clock,
    metrics: new Metrics(),
    usedBytes: () => used,
    onAction: (action, active) => told.push(`${action.split('.').at(-1)} ${active}`),
  });
  monitor.start();
  const stopped = (): string =>
    Object.entries(monitor.state)
      .flatMap(([name, on]) => (on ? [name] : []))
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
