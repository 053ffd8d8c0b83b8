/** What every balancing policy must do. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '#core/random.ts';
import type { Candidate, Picker, PolicyDefinition, PolicySettings } from './contract.ts';

export function candidate(address: string, rqActive = 0): Candidate {
  return {
    address,
    traits: { hostname: '', metadata: undefined },
    counts: { rqActive },
    isHealthy: true,
    healthySinceMs: undefined,
  };
}

export function settings(more: Partial<PolicySettings> = {}): PolicySettings {
  return {
    random: seededRandom(1),
    slowStart: undefined,
    fullScan: false,
    choiceCount: 2,
    activeRequestBias: 1,
    activeRequests: () => 0,
    report: () => {},
    ...more,
  };
}

export function policySuite(policy: PolicyDefinition): void {
  const picker = (weights: readonly number[]): Picker<Candidate> => {
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return policy.build(
      weights.map((_, i) => candidate(String(i))),
      weights.map((weight) => weight / total),
      settings(),
    );
  };
  const share = (weights: readonly number[], draws: number): number[] => {
    const counts = weights.map(() => 0);
    const from = picker(weights);
    for (let i = 0; i < draws; i++) counts[Number(from.pick()!.address)]!++;
    return counts.map((count) => count / draws);
  };

  describe(`${policy.kind}: common`, () => {
    test('no endpoints, no pick', () => assert.equal(picker([]).pick(), undefined));
    test('the only one is picked', () => assert.equal(picker([1]).pick()!.address, '0'));
    // A ring of 1024 points is lumpy: Envoy says so, and offers larger ones.
    const tolerance = policy.kind === 'ring_hash' ? 0.08 : 0.03;
    test('equal weights, equal shares', () => {
      for (const ratio of share([1, 1, 1, 1], 8000))
        assert.ok(Math.abs(ratio - 0.25) < tolerance, String(ratio));
    });
    test('shares follow the weights, but those of chance alone', () => {
      const heavy = policy.kind === 'random' ? 0.5 : 0.75;
      const [first, second] = share([3, 1], 8000);
      assert.ok(Math.abs(first! - heavy) < tolerance, String(first));
      assert.ok(Math.abs(second! - (1 - heavy)) < tolerance, String(second));
    });
    test('the same hash, the same endpoint, where the policy hashes', () => {
      if (!policy.hashes) return;
      const [one, other] = [picker([1, 2, 3, 4]), picker([1, 2, 3, 4])];
      const seen = new Set<string>();
      for (let i = 0; i < 200; i++) {
        const hash = { hi: Math.imul(i, 0x9e3779b1) >>> 0, lo: i };
        const picked = one.pick(hash)!.address;
        seen.add(picked);
        assert.equal(other.pick(hash)!.address, picked);
      }
      assert.equal(seen.size, 4);
    });
  });
}
