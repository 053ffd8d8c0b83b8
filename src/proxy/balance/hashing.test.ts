import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '#core/random.ts';
import { atOnce } from '#core/time-slice.ts';
import type { Word64 } from '#core/word64.ts';
import type { Candidate, Picker, PolicyDefinition } from './contract.ts';
import { shareTable } from './hash-table.ts';
import { maglev, ringHash } from './hashing.ts';
import { maglevAlgorithm } from './maglev.ts';
import { defaultRingOptions, ringAlgorithm } from './ring-hash.ts';
import { RingPoints } from './ring-points.ts';
import { candidate, settings } from './suite.ts';

const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `10.0.0.${i}:80`);
const even = (count: number): number[] => Array.from({ length: count }, () => 1 / count);

function hashes(count: number): Word64[] {
  const random = seededRandom(7);
  return Array.from({ length: count }, () => ({ hi: random.below(2 ** 32), lo: random.below(2 ** 32) }));
}

function build(policy: PolicyDefinition, endpoints: readonly Candidate[]): Picker<Candidate> {
  return policy.build(endpoints, even(endpoints.length), settings());
}

describe('points of a ring', () => {
  test('stand in order, high half before low half', () => {
    const points = new RingPoints(6);
    const given = [
      [5, 9],
      [0xffffffff, 0],
      [5, 1],
      [0, 7],
      [5, 0xffffffff],
    ] as const;
    for (const [owner, [hi, lo]] of given.entries()) points.add({ hi, lo }, owner);
    const { hi, lo, owner } = atOnce(points.sorted());
    assert.deepEqual([...hi], [0, 5, 5, 5, 0xffffffff]);
    assert.deepEqual([...lo], [7, 1, 9, 0xffffffff, 0]);
    assert.deepEqual([...owner], [3, 2, 0, 4, 1]);
  });

  test('a hash beyond the last point belongs to the first', () => {
    const ring = atOnce(ringAlgorithm(defaultRingOptions).build(names(3), even(3)));
    assert.equal(ring.find({ hi: 0xffffffff, lo: 0xffffffff }, 0), ring.find({ hi: 0, lo: 0 }, 0));
  });
});

for (const [policy, limit] of [
  [ringHash(), 0.2],
  [maglev(), 0.15],
] as const) {
  describe(policy.kind, () => {
    test('few hashes change hands when an endpoint goes', () => {
      const before = build(
        policy,
        names(10).map((name) => candidate(name)),
      );
      const after = build(
        policy,
        names(9).map((name) => candidate(name)),
      );
      let moved = 0;
      let homeless = 0;
      const all = hashes(2000);
      for (const hash of all) {
        const was = before.pick(hash)!.address;
        if (was === '10.0.0.9:80') homeless++;
        else if (after.pick(hash)!.address !== was) moved++;
      }
      assert.ok(homeless > 100, String(homeless));
      assert.ok(moved / all.length < limit - 0.1, `${moved} of ${all.length} moved without need`);
    });

    test('a host name, or a key in the metadata, stands for the address', () => {
      const named = {
        ...policy,
        ...(policy.kind === 'maglev'
          ? maglev(101, { useHostname: true, balanceFactor: 0 })
          : ringHash(defaultRingOptions, { useHostname: true, balanceFactor: 0 })),
      };
      const one = build(
        named,
        ['a', 'b', 'c'].map((hostname, i) => ({
          ...candidate(`10.0.0.${i}:80`),
          traits: { hostname, metadata: undefined },
        })),
      );
      const keyed = build(
        named,
        ['a', 'b', 'c'].map((key, i) => ({
          ...candidate(`10.9.9.${i}:80`),
          traits: {
            hostname: 'x',
            metadata: {
              $typeName: 'envoy.config.core.v3.Metadata' as const,
              filterMetadata: { 'envoy.lb': { hash_key: key } },
              typedFilterMetadata: {},
            },
          },
        })),
      );
      for (const hash of hashes(50)) {
        assert.equal(one.pick(hash)!.address.at(-4), keyed.pick(hash)!.address.at(-4));
      }
    });

    test('another attempt goes elsewhere most of the time', () => {
      const picker = build(
        policy,
        names(10).map((name) => candidate(name)),
      );
      const other = hashes(500).filter((hash) => picker.pick(hash, 1) !== picker.pick(hash)).length;
      assert.ok(other > 400, String(other));
    });
  });
}

describe('tables', () => {
  test('are made at the first pick', () => {
    const reported: string[] = [];
    const picker = maglev().build(
      names(4).map((name) => candidate(name)),
      even(4),
      settings({ report: (name) => void reported.push(name) }),
    );
    assert.deepEqual(reported, []);
    picker.pick({ hi: 1, lo: 2 });
    picker.pick({ hi: 3, lo: 4 });
    assert.deepEqual(reported, ['maglev_lb.min_entries_per_host', 'maglev_lb.max_entries_per_host']);
  });

  for (const [why, policy, count, made] of [
    ['of many endpoints is made before the first pick', ringHash(), 300, true],
    ['of many endpoints is made before the first pick', maglev(), 300, true],
    [
      'that is large by its settings, too',
      ringHash({ ...defaultRingOptions, minimumSize: 200_000 }),
      3,
      true,
    ],
    ['of few endpoints is not', ringHash(), 3, false],
    ['without endpoints is never made', ringHash(), 0, false],
  ] as const) {
    test(`${policy.kind}: one ${why}`, () => {
      const reported: string[] = [];
      const picker = policy.build(
        names(count).map((name) => candidate(name)),
        even(count),
        settings({ report: (name) => void reported.push(name) }),
      );
      assert.ok(picker.ready !== undefined);
      let pauses = 0;
      for (const making = picker.ready(); making.next().done !== true; ) pauses++;
      assert.equal(reported.length > 0, made);
      assert.equal(pauses > 0, made);
    });
  }

  test('are shared by clusters with the same endpoints and weights', () => {
    const table = atOnce(shareTable(maglevAlgorithm(101), names(3), even(3)));
    assert.equal(atOnce(shareTable(maglevAlgorithm(101), names(3), even(3))), table);
    assert.notEqual(atOnce(shareTable(maglevAlgorithm(103), names(3), even(3))), table);
    assert.notEqual(atOnce(shareTable(maglevAlgorithm(101), names(3), [0.5, 0.25, 0.25])), table);
    assert.notEqual(atOnce(shareTable(maglevAlgorithm(101), names(4).slice(1), even(3))), table);
  });
});

test('bounded load: no endpoint has more than its share while others have room', () => {
  const endpoints = names(5).map((address) => ({
    ...candidate(address),
    counts: { rqActive: 0 },
  }));
  let active = 0;
  const picker = maglev(101, { useHostname: false, balanceFactor: 120 }).build(
    endpoints,
    even(5),
    settings({ activeRequests: () => active }),
  );
  const hash = { hi: 123, lo: 456 };
  for (let i = 0; i < 50; i++) {
    picker.pick(hash)!.counts.rqActive++;
    active++;
  }
  const loads = endpoints.map(({ counts }) => counts.rqActive);
  assert.ok(Math.max(...loads) <= 14, `one key, 50 requests, 12 each and rounding: ${loads.join()}`);
  assert.ok(loads.filter((load) => load > 0).length >= 4, loads.join());
});
