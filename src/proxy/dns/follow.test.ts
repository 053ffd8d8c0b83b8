import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fakeClock } from '#core/clock.ts';
import { TimerWheel } from '#core/timer-wheel.ts';
import type { AssignedEndpoint } from '../cluster/assignment.ts';
import type { ClusterDeps, ClusterRuntime } from '../cluster/cluster.ts';
import { DnsFollower } from './follow.ts';

const hosts: Readonly<Record<string, readonly string[]>> = {
  'four 4': ['192.0.2.1'],
  'both 4': ['192.0.2.2'],
  'both 6': ['2001:db8::2'],
  'six 6': ['2001:db8::3'],
};

/** Addresses that endpoints have, of hosts that are looked up by these versions of IP one after the other. */
async function followed(families: readonly (0 | 4 | 6)[], ...named: string[]): Promise<string[]> {
  let endpoints: readonly AssignedEndpoint[] = [];
  const cluster = {
    settings: { dnsFamilies: families, dnsRefreshMs: 5000, kind: 'strict-dns' },
    stats: { update_attempt: { inc() {} }, update_failure: { inc() {} } },
    setEndpoints: (found: readonly AssignedEndpoint[]) => (endpoints = found),
  } as unknown as ClusterRuntime;
  const deps = {
    wheel: new TimerWheel(fakeClock()),
    resolve: async (host: string, family: number) => {
      const found = hosts[`${host} ${family}`];
      if (found === undefined) throw new Error('ENOTFOUND');
      return found;
    },
  } as unknown as ClusterDeps;
  const targets = named.map((host) => ({
    target: { kind: 'tcp', host, port: 80 },
    traits: { hostname: '' },
  }));
  const follower = new DnsFollower(cluster, targets as unknown as readonly AssignedEndpoint[], deps);
  await follower.refresh();
  follower.stop();
  return endpoints.map(({ address }) => address);
}

describe('names of a cluster', () => {
  test('are looked up by the versions of IP in their order, until one has an address', async () => {
    const found = await followed([4, 6], 'four', 'both', 'six', 'none');
    assert.deepEqual(found, ['192.0.2.1:80', '192.0.2.2:80', '[2001:db8::3]:80']);
  });

  test('by one alone where nothing else is wanted', async () => {
    assert.deepEqual(await followed([4], 'four', 'six'), ['192.0.2.1:80']);
    assert.deepEqual(await followed([6], 'four', 'both'), ['[2001:db8::2]:80']);
  });
});
