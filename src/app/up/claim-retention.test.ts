import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ClaimRetention } from './claim-retention.ts';
import type { WorkloadPlan } from './workload-plan.ts';

const claims = { whenDeleted: 'Retain', whenScaled: 'Retain' } as const;
const plan = (change: Partial<WorkloadPlan> = {}): WorkloadPlan =>
  ({
    key: 'shop/db',
    name: 'db',
    namespace: 'shop',
    replicas: 2,
    ordinals: { start: 0, ordered: true },
    claimRetention: claims,
    volumes: [
      { written: { name: 'data', claim: { name: 'data', of: 'the instance', readOnly: false } } },
      { written: { name: 'all', claim: { name: 'all', of: 'everybody', readOnly: false } } },
      { written: { name: 'tmp' } },
    ],
    ...change,
  }) as WorkloadPlan;
const instance = (name: string, of = plan(), hasEnded = false) => ({ plan: of, place: { name }, hasEnded });
const user = (hasEnded: boolean) => {
  const volume = { name: 'v', claim: { name: 'data-db-1', of: 'everybody', readOnly: true } } as const;
  return instance('backup-1', plan({ volumes: [{ written: volume }] }), hasEnded);
};

function retention(): { readonly removed: string[]; readonly retention: ClaimRetention } {
  const removed: string[] = [];
  return {
    removed,
    retention: new ClaimRetention(({ namespace, name }) => removed.push(`${namespace}/${name}`)),
  };
}

describe('claims of instances that have stopped', () => {
  const scaled = { whenDeleted: 'Retain', whenScaled: 'Delete' } as const;
  const deleted = { whenDeleted: 'Delete', whenScaled: 'Retain' } as const;
  const cases: readonly (readonly [
    why: string,
    was: WorkloadPlan,
    latest: WorkloadPlan | undefined,
    gone: readonly string[],
  ])[] = [
    ['replaced', plan({ claimRetention: scaled }), plan({ claimRetention: scaled }), []],
    ['too many, retained', plan(), plan({ replicas: 1 }), []],
    ['too many, deleted', plan(), plan({ replicas: 1, claimRetention: scaled }), ['shop/data-db-1']],
    [
      'too many, retained where deleted with the set',
      plan(),
      plan({ replicas: 1, claimRetention: deleted }),
      [],
    ],
    ['without its set, retained', plan({ claimRetention: scaled }), undefined, []],
    ['without its set, deleted', plan({ claimRetention: deleted }), undefined, ['shop/data-db-1']],
  ];
  for (const [why, was, latest, gone] of cases) {
    test(why, () => {
      const { removed, retention: it } = retention();
      it.released(instance('db-1', was), latest, [instance('db-0', was)]);
      assert.deepEqual(removed, gone);
    });
  }

  test('are kept while another Pod uses them', () => {
    const { removed, retention: it } = retention();
    const latest = plan({ replicas: 1, claimRetention: scaled });
    it.released(instance('db-1'), latest, [user(false)]);
    assert.deepEqual(removed, []);
    it.released(instance('other-1', plan({ key: 'shop/other', volumes: [] })), undefined, [user(true)]);
    assert.deepEqual(removed, ['shop/data-db-1']);
  });

  test('are kept if there is such an instance again before that', () => {
    const { removed, retention: it } = retention();
    it.released(instance('db-1'), plan({ replicas: 1, claimRetention: scaled }), [user(false)]);
    it.taken(instance('db-1'));
    it.released(user(false), undefined, []);
    assert.deepEqual(removed, []);
  });
});
