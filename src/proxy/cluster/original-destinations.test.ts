import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeClock } from '#core/clock.ts';
import { TimerWheel } from '#core/timer-wheel.ts';
import type { UpstreamTransport } from '../tls/upstream.ts';
import { type CapturedConnection, OriginalDestinations } from './original-destinations.ts';

const madeTo = (localIp: string): CapturedConnection => ({ localIp, localPort: 80, localRestored: true });

test('an endpoint that nobody uses goes at the second clean-up after it was last asked for', () => {
  const clock = fakeClock();
  const wheel = new TimerWheel(clock);
  const changes: number[] = [];
  const hosts = new OriginalDestinations(
    { header: '', port: 0, cleanupMs: 1000 },
    {
      name: 'original',
      transport: () => ({}) as UpstreamTransport,
      wheel,
      invalid: { inc: () => {} } as never,
      onChange: () => changes.push(hosts.size),
    },
  );
  const one = hosts.endpointFor(madeTo('10.0.0.1'), undefined)!;
  const busy = hosts.endpointFor(madeTo('fd00::2'), undefined)!;
  assert.deepEqual([one.address, one.hostname], ['10.0.0.1:80', 'original10.0.0.1:80']);
  assert.equal(busy.address, '[fd00::2]:80');
  busy.counts.cxActive = 1;
  hosts.onTimer();
  assert.equal(hosts.endpointFor(madeTo('10.0.0.1'), undefined), one);
  hosts.onTimer();
  assert.equal(hosts.size, 2);
  hosts.onTimer();
  assert.deepEqual([...hosts.endpoints], [busy]);
  assert.equal(one.removed, true);
  busy.counts.cxActive = 0;
  assert.equal(wheel.size, 1, 'there is one more to look after');
  hosts.onTimer();
  assert.deepEqual(changes, [1, 2, 1, 0]);
  hosts.close();
  assert.equal(wheel.size, 0);
});

test('a connection that was not redirected leads nowhere', () => {
  const hosts = new OriginalDestinations(
    { header: '', port: 0, cleanupMs: 1000 },
    {
      name: 'original',
      transport: () => ({}) as UpstreamTransport,
      wheel: new TimerWheel(fakeClock()),
      invalid: { inc: () => {} } as never,
      onChange: () => assert.fail('there is nothing'),
    },
  );
  assert.equal(hosts.endpointFor({ ...madeTo('10.0.0.1'), localRestored: false }, undefined), undefined);
});
