import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TimerWheel } from '#core/timer-wheel.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import { EndpointPools } from './endpoint-pools.ts';
import { OriginalSource } from './original-source.ts';
import type { PoolDeps, PoolSettings } from './settings.ts';

const NAMES = 128;

test('an endpoint has pools for 128 names of servers, and the one used longest ago makes place', () => {
  const pools = new EndpointPools(
    { transport: { secure: true } } as unknown as Endpoint,
    {
      protocol: 'http1',
      autoName: { sends: true, verifies: false },
      maxConnectionDurationMs: 0,
    } as unknown as PoolSettings,
    {} as never,
    {} as never,
    { wheel: new TimerWheel({ nowMs: () => 0 } as never) } as unknown as PoolDeps,
  );
  const poolOf = (name: string): unknown => pools.of(1, undefined, name);
  const first = Array.from({ length: NAMES }, (_, at) => poolOf(`name-${at}`));
  assert.equal(new Set(first).size, NAMES);
  assert.equal(poolOf('name-0'), first[0], 'used again');
  poolOf('one-more');
  assert.equal(poolOf('name-0'), first[0], 'kept, as it was used');
  assert.equal(poolOf('name-2'), first[2], 'kept, as it was not the oldest');
  assert.notEqual(poolOf('name-1'), first[1], 'gone');
});

test('an endpoint has pools for each client whose address connections leave from', () => {
  const counted: string[] = [];
  const pools = new EndpointPools(
    { transport: { secure: false } } as unknown as Endpoint,
    { protocol: 'http1', maxConnectionDurationMs: 0 } as unknown as PoolSettings,
    {} as never,
    { scope: { counter: (name: string) => counted.push(name) } } as never,
    { wheel: new TimerWheel({ nowMs: () => 0 } as never) } as unknown as PoolDeps,
  );
  const poolOf = (ip: string, mark = 7): unknown => pools.from(new OriginalSource(ip, mark, () => -1)).of(1);
  assert.equal(poolOf('10.0.0.1'), poolOf('10.0.0.1'));
  assert.equal(new Set([poolOf('10.0.0.1'), poolOf('10.0.0.2'), poolOf('10.0.0.1', 8), pools.of(1)]).size, 4);
  assert.deepEqual([...new Set(counted)], ['bind_errors']);
});
