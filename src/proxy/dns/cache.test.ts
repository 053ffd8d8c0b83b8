import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type FakeClock, fakeClock } from '#core/clock.ts';
import { TimerWheel } from '#core/timer-wheel.ts';
import { HostCache, HostCaches } from './cache.ts';
import type { CacheSettings } from './cache-settings.ts';

const plain: CacheSettings = {
  name: 'names',
  identity: 'one',
  families: [4],
  allFamilies: false,
  resolver: undefined,
  refreshMs: 60_000,
  minRefreshMs: 5000,
  hostTtlMs: 300_000,
  maxHosts: 2,
  failure: undefined,
  failsOnDemand: false,
  maxPending: 1,
  queryTimeoutMs: 5000,
  preresolved: [],
  bars: () => false,
};

const a = { host: 'a', port: 80 };

class Bed {
  readonly clock: FakeClock = fakeClock();
  readonly counts: Record<string, number> = {};
  /** What is answered; undefined: nothing is. */
  answer: { addresses: string[]; ttlS: number | undefined } | 'fails' | undefined = {
    addresses: ['192.0.2.1'],
    ttlS: undefined,
  };
  asked = 0;
  readonly deps: ConstructorParameters<typeof HostCache>[1];
  readonly cache: HostCache;

  constructor(settings: Partial<CacheSettings> = {}) {
    const count = (name: string, by: number): void => {
      this.counts[name] = (this.counts[name] ?? 0) + by;
    };
    const metric = (name: string): unknown => ({
      inc: () => count(name, 1),
      add: (by: number) => count(name, by),
    });
    this.deps = {
      clock: this.clock,
      wheel: new TimerWheel(this.clock),
      random: { ratio: () => 0.5 },
      metrics: { scope: () => ({ counter: metric, gauge: metric }) },
      lookUp: async () => {
        this.asked++;
        if (this.answer === 'fails') throw Object.assign(new Error(), { code: 'ESERVFAIL' });
        return this.answer ?? new Promise<never>(() => {});
      },
    } as unknown as Bed['deps'];
    this.cache = new HostCache({ ...plain, ...settings }, this.deps);
  }

  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    for (let i = 0; i < 10; i++) await Promise.resolve();
  }

  /** @returns how it was taken, and what is known after that */
  async load(name: typeof a = a): Promise<string> {
    let told = 0;
    const loading = this.cache.load(name, () => told++);
    await this.pass(0);
    assert.ok(loading !== 'waits' || told <= 1);
    return `${loading} ${this.cache.addressesOf(name)}${this.cache.failureOf(name)}`;
  }
}

describe('a cache of names', () => {
  test('looks a name up once, and again when its answer is old', async () => {
    const bed = new Bed();
    bed.answer = { addresses: ['192.0.2.1'], ttlS: 10 };
    assert.equal(await bed.load(), 'waits 192.0.2.1');
    assert.equal(await bed.load(), 'known 192.0.2.1');
    await bed.pass(9000);
    assert.equal(bed.asked, 1);
    bed.answer = { addresses: ['192.0.2.2'], ttlS: 1 };
    await bed.pass(1100);
    assert.equal(await bed.load(), 'known 192.0.2.2');
    // A shorter time than the least.
    await bed.pass(4000);
    assert.equal(bed.asked, 2);
    await bed.pass(1100);
    assert.equal(bed.asked, 3);
  });

  test('knows of failures for a while', async () => {
    const bed = new Bed();
    bed.answer = 'fails';
    const failure = 'cares_failure:DNS_server_returned_general_failure';
    assert.equal(await bed.load(), `waits ${failure}`);
    assert.equal(await bed.load(), `known ${failure}`);
    bed.answer = { addresses: ['192.0.2.1'], ttlS: undefined };
    await bed.pass(60_100);
    assert.equal(await bed.load(), 'known 192.0.2.1');
    bed.answer = 'fails';
    await bed.pass(60_100);
    assert.equal(await bed.load(), `known 192.0.2.1${failure}`, 'what was found stays');
  });

  test('asks on demand after failures where that is wanted', async () => {
    const bed = new Bed({ failsOnDemand: true });
    bed.answer = 'fails';
    await bed.load();
    await bed.pass(100_000);
    assert.equal(bed.asked, 1);
    await bed.load();
    assert.equal(bed.asked, 2);
  });

  test('drops what is asked for on demand, and is not any more', async () => {
    const bed = new Bed({ failsOnDemand: true });
    bed.answer = 'fails';
    await bed.load();
    await bed.pass(200_000);
    await bed.load();
    await bed.pass(200_000);
    assert.deepEqual([bed.asked, bed.counts.num_hosts], [2, 1]);
    await bed.pass(400_100);
    assert.deepEqual([bed.asked, bed.counts.num_hosts], [2, 0]);
  });

  test('tells nobody who does not wait any more', async () => {
    const bed = new Bed();
    let told = 0;
    const done = (): void => void told++;
    bed.cache.load(a, done);
    bed.cache.forsake(a, done);
    await bed.pass(0);
    assert.equal(told, 0);
  });

  test('asks later and later after failures', async () => {
    const bed = new Bed({ failure: { baseMs: 1000, maxMs: 4000 } });
    bed.answer = 'fails';
    await bed.load();
    for (const [i, ms] of [500, 1000, 2000, 2000].entries()) {
      await bed.pass(ms - 100);
      assert.equal(bed.asked, i + 1);
      await bed.pass(200);
      assert.equal(bed.asked, i + 2);
    }
  });

  test('waits no longer than it may', async () => {
    const bed = new Bed();
    bed.answer = undefined;
    await bed.load();
    await bed.pass(5100);
    assert.equal(await bed.load(), 'known resolve_timeout');
    assert.equal(bed.counts.dns_query_timeout, 1);
  });

  test('drops what nobody asks for, and tells of it', async () => {
    const bed = new Bed({ hostTtlMs: 1000 });
    const gone: string[] = [];
    bed.cache.follow((key) => gone.push(key));
    await bed.load();
    await bed.pass(60_100);
    assert.deepEqual(gone, ['a:80']);
    assert.equal(bed.counts.num_hosts, 0);
  });

  test('holds so many names, and lets so many requests wait', async () => {
    const bed = new Bed();
    await bed.load();
    await bed.load({ host: 'b', port: 80 });
    assert.equal(await bed.load({ host: 'c', port: 80 }), 'overflow ');
    assert.deepEqual([bed.cache.enter(), bed.cache.enter()], [true, false]);
    bed.cache.leave();
    assert.ok(bed.cache.enter());
  });

  test('leaves out addresses that are not to be used', async () => {
    const bed = new Bed({ bars: (address) => address === '192.0.2.1' });
    assert.equal(await bed.load(), 'waits address_denied');
    bed.answer = { addresses: ['192.0.2.1', '192.0.2.2'], ttlS: undefined };
    assert.equal(await bed.load({ host: 'b', port: 80 }), 'waits 192.0.2.2');
  });

  test('is one to a name, and to equal settings', () => {
    const caches = new HostCaches(new Bed().deps);
    const one = caches.get(plain);
    assert.equal(caches.get({ ...plain }), one);
    assert.equal(caches.get({ ...plain, identity: 'two' }), undefined);
    assert.notEqual(caches.get({ ...plain, name: 'others' }), one);
  });
});
