import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type FakeClock, fakeClock } from '#core/clock.ts';
import { TimerWheel } from '#core/timer-wheel.ts';
import { type AssignedEndpoint, type Assignment, noEndpoints } from '../cluster/assignment.ts';
import type { ClusterDeps, ClusterRuntime } from '../cluster/cluster.ts';
import type { DnsSettings } from '../cluster/dns-settings.ts';
import { DnsFollower } from './follow.ts';
import type { FoundAddresses, Lookup } from './lookup.ts';

const plain: DnsSettings = {
  families: [4],
  allFamilies: false,
  refreshMs: 5000,
  respectTtl: false,
  jitterMs: 0,
  failure: undefined,
  resolver: undefined,
};

class Bed {
  readonly clock: FakeClock = fakeClock();
  readonly counts: Record<string, number> = {};
  readonly asked: string[] = [];
  endpoints: string[] = [];
  /** What is answered; undefined: nobody can say. */
  answer: (lookup: Lookup) => FoundAddresses | undefined = () => undefined;
  readonly #follower: DnsFollower;

  constructor(
    dns: Partial<DnsSettings>,
    named: readonly string[],
    kind: 'strict-dns' | 'logical-dns' = 'strict-dns',
  ) {
    const stats = new Proxy({}, { get: (_, name: string) => ({ inc: () => this.#count(name) }) });
    const cluster = {
      settings: { dns: { ...plain, ...dns }, kind },
      stats,
      setEndpoints: (found: Assignment) => {
        this.endpoints = found.endpoints.map(({ address }) => address);
      },
    } as unknown as ClusterRuntime;
    const deps = {
      wheel: new TimerWheel(this.clock),
      random: { ratio: () => 0.5 },
      lookUp: async (lookup: Lookup) => {
        this.asked.push(`${lookup.host} ${lookup.family}`);
        const found = this.answer(lookup);
        if (found === undefined) throw new Error('ETIMEOUT');
        return found;
      },
    } as unknown as ClusterDeps;
    const targets = named.map((host) => ({
      target: { kind: 'tcp', host, port: 80 },
      traits: { hostname: '' },
    }));
    const endpoints = targets as unknown as readonly AssignedEndpoint[];
    this.#follower = new DnsFollower(cluster, { ...noEndpoints, endpoints }, deps);
  }

  #count(name: string): void {
    this.counts[name] = (this.counts[name] ?? 0) + 1;
  }

  async begin(): Promise<void> {
    await this.#follower.begin();
  }

  /** Whether a question was asked in that time. */
  async asksWithin(ms: number): Promise<boolean> {
    const before = this.asked.length;
    this.clock.advance(ms);
    for (let i = 0; i < 10; i++) await Promise.resolve();
    return this.asked.length > before;
  }

  stop(): void {
    this.#follower.stop();
  }
}

const found = (...addresses: string[]): FoundAddresses => ({ addresses, ttlS: undefined });

describe('names of a cluster', () => {
  const hosts: Readonly<Record<string, readonly string[]>> = {
    'four 4': ['192.0.2.1'],
    'both 4': ['192.0.2.2'],
    'both 6': ['2001:db8::2'],
    'six 6': ['2001:db8::3'],
  };
  const families: [why: string, dns: Partial<DnsSettings>, endpoints: string[]][] = [
    ['IPv4 before IPv6', { families: [4, 6] }, ['192.0.2.1:80', '192.0.2.2:80', '[2001:db8::3]:80']],
    ['IPv6 before IPv4', { families: [6, 4] }, ['192.0.2.1:80', '[2001:db8::2]:80', '[2001:db8::3]:80']],
    ['IPv4 alone', { families: [4] }, ['192.0.2.1:80', '192.0.2.2:80']],
    [
      'all',
      { families: [4, 6], allFamilies: true },
      ['192.0.2.1:80', '192.0.2.2:80', '[2001:db8::2]:80', '[2001:db8::3]:80'],
    ],
  ];
  for (const [why, dns, endpoints] of families) {
    test(`are looked up by versions of IP: ${why}`, async () => {
      const bed = new Bed(dns, ['four', 'both', 'six', 'none']);
      bed.answer = ({ host, family }) => found(...(hosts[`${host} ${family}`] ?? []));
      await bed.begin();
      assert.deepEqual(bed.endpoints, endpoints);
      bed.stop();
    });
  }

  test('a failure keeps what was found, and a name that is no more takes it away', async () => {
    const bed = new Bed({}, ['a']);
    bed.answer = () => found('192.0.2.1', '192.0.2.2');
    await bed.begin();
    bed.answer = () => undefined;
    assert.ok(await bed.asksWithin(5100));
    assert.equal(bed.endpoints.length, 2);
    bed.answer = () => found('192.0.2.2', '192.0.2.1');
    assert.ok(await bed.asksWithin(5100));
    bed.answer = () => found();
    assert.ok(await bed.asksWithin(5100));
    assert.deepEqual(bed.endpoints, []);
    assert.deepEqual(bed.counts, {
      update_attempt: 4,
      update_success: 3,
      update_failure: 1,
      update_no_rebuild: 1,
    });
    bed.stop();
  });

  test('a logical host keeps its address, and takes the first of others', async () => {
    const bed = new Bed({}, ['a'], 'logical-dns');
    bed.answer = () => found('192.0.2.1', '192.0.2.2');
    await bed.begin();
    bed.answer = () => found();
    assert.ok(await bed.asksWithin(5100));
    assert.deepEqual(bed.endpoints, ['192.0.2.1:80']);
    bed.answer = () => found('192.0.2.2', '192.0.2.1');
    assert.ok(await bed.asksWithin(5100));
    assert.deepEqual(bed.endpoints, ['192.0.2.2:80']);
    bed.stop();
  });

  test('are asked for again when the answer does not hold any more, where that is wanted', async () => {
    const bed = new Bed({ respectTtl: true, jitterMs: 2000 }, ['a']);
    bed.answer = () => ({ addresses: ['192.0.2.1'], ttlS: 30 });
    await bed.begin();
    assert.equal(await bed.asksWithin(30_900), false);
    // Half of the jitter.
    assert.ok(await bed.asksWithin(200));
    bed.answer = () => ({ addresses: ['192.0.2.1'], ttlS: 0 });
    assert.ok(await bed.asksWithin(31_100));
    assert.equal(await bed.asksWithin(5900), false);
    assert.ok(await bed.asksWithin(200));
    bed.stop();
  });

  test('are asked for sooner and then later after failures', async () => {
    const bed = new Bed({ failure: { baseMs: 1000, maxMs: 3000 } }, ['a']);
    await bed.begin();
    for (const ms of [500, 1000, 1500, 1500]) {
      assert.equal(await bed.asksWithin(ms - 100), false, `${ms}`);
      assert.ok(await bed.asksWithin(200), `${ms}`);
    }
    bed.answer = () => found('192.0.2.1');
    assert.ok(await bed.asksWithin(1600));
    bed.answer = () => undefined;
    assert.ok(await bed.asksWithin(5100));
    assert.ok(await bed.asksWithin(600));
    bed.stop();
  });
});
