/** What every balancing policy must do. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '#core/random.ts';
import type { Candidate, Picker, PolicyDefinition } from './contract.ts';

interface Named extends Candidate {
  readonly id: string;
}

export function policySuite(policy: PolicyDefinition): void {
  const make = (weights: readonly number[]): Named[] =>
    weights.map((weight, i) => ({ id: String(i), traits: { weight }, counts: { rqActive: 0 } }));
  const picker = (endpoints: readonly Named[]): Picker<Named> =>
    policy.build(endpoints, { random: seededRandom(1), choiceCount: 2, activeRequestBias: 1 });
  const share = (weights: readonly number[], draws: number): number[] => {
    const counts = weights.map(() => 0);
    const from = picker(make(weights));
    for (let i = 0; i < draws; i++) counts[Number(from.pick()!.id)]!++;
    return counts.map((count) => count / draws);
  };

  describe(`${policy.kind}: common`, () => {
    test('no endpoints, no pick', () => assert.equal(picker([]).pick(), undefined));
    test('the only one is picked', () => assert.equal(picker(make([1])).pick()!.id, '0'));
    test('equal weights, equal shares', () => {
      for (const ratio of share([1, 1, 1, 1], 8000)) assert.ok(Math.abs(ratio - 0.25) < 0.03, String(ratio));
    });
    test('shares follow the weights', () => {
      const [first, second] = share([3, 1], 8000);
      assert.ok(Math.abs(first! - 0.75) < 0.03, String(first));
      assert.ok(Math.abs(second! - 0.25) < 0.03, String(second));
    });
  });
}
