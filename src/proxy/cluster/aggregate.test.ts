import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Random } from '#core/random.ts';
import { noRuntime } from '../runtime/values.ts';
import { Aggregate } from './aggregate.ts';
import type { ClusterRuntime } from './cluster.ts';
import type { Endpoint } from './endpoint.ts';
import { newPickContext, type PickContext } from './pick-context.ts';
import type { PriorityHealth } from './priority-load.ts';
import type { PlacedHealth } from './priority-members.ts';

/** A child that answers with its name, the priority and what was asked for. */
class Child {
  membershipChanges = 1;
  levels: PriorityHealth[];
  readonly #name: string;

  constructor(name: string, ...levels: PriorityHealth[]) {
    this.#name = name;
    this.levels = levels;
  }

  priorities(): readonly PlacedHealth[] {
    return this.levels.map((health, priority) => ({ ...health, priority }));
  }

  pickAt({ place }: PickContext): string {
    return `${this.#name} ${place!.priority}${place!.isDegraded ? ' degraded' : ''}`;
  }
}

const of = (healthy: number, degraded = 0, total = 10): PriorityHealth => ({
  healthy,
  degraded,
  counted: total,
  total,
});

/** What is picked at each tenth of all random values. */
function picked(children: Readonly<Record<string, Child | undefined>>): Set<string | undefined> {
  let point = 0;
  const random = { below: () => point } as unknown as Random;
  const aggregate = new Aggregate(Object.keys(children), 50, {
    random,
    cluster: (name) => children[name] as unknown as ClusterRuntime | undefined,
  });
  const found = new Set<string | undefined>();
  for (point = 0; point < 100; point += 10)
    found.add(aggregate.pick(newPickContext()) as unknown as string | undefined);
  return found;
}

describe('an aggregate', () => {
  const cases: [why: string, children: Record<string, Child | undefined>, picks: (string | undefined)[]][] = [
    ['the first that is well', { a: new Child('a', of(10)), b: new Child('b', of(10)) }, ['a 0']],
    ['those that are not there', { a: undefined, b: new Child('b', of(10)) }, ['b 0']],
    ['those without endpoints', { a: new Child('a'), b: new Child('b', of(10)) }, ['b 0']],
    ['levels in their order', { a: new Child('a', of(0), of(10)), b: new Child('b', of(10)) }, ['a 1']],
    ['parts', { a: new Child('a', of(5)), b: new Child('b', of(10)) }, ['a 0', 'b 0']],
    ['healthy before degraded', { a: new Child('a', of(0, 10)), b: new Child('b', of(10)) }, ['b 0']],
    ['degraded', { a: new Child('a', of(0, 10)), b: new Child('b', of(0)) }, ['a 0 degraded']],
    ['panic by size', { a: new Child('a', of(0)), b: new Child('b', of(0)) }, ['a 0', 'b 0']],
    ['nobody', { a: undefined }, [undefined]],
    [
      'the factor of a child',
      { a: new Child('a', { ...of(5), overprovisioning: 200 }), b: new Child('b', of(10)) },
      ['a 0'],
    ],
  ];
  for (const [why, children, picks] of cases) {
    test(`picks: ${why}`, () => assert.deepEqual([...picked(children)], picks));
  }

  test('shares out anew for retries, and leaves the rest to the child', () => {
    const children = { a: new Child('a', of(10)), b: new Child('b', of(10)) };
    const aggregate = new Aggregate(['a', 'b'], 50, {
      random: { below: () => 0 } as unknown as Random,
      cluster: (name) => children[name as 'a'] as unknown as ClusterRuntime,
    });
    const shares: PickContext['shares'] = {
      sharesOf(places) {
        assert.deepEqual(
          places.map(({ owner, priority, capacity }) => ({ owner, priority, capacity })),
          [children.a, children.b].map((owner) => ({ owner, priority: 0, capacity: 100 })),
        );
        return [0, 100];
      },
    };
    assert.equal(aggregate.pick({ ...newPickContext(), shares }), 'b 0' as unknown as Endpoint);
  });

  test('takes the threshold of panic from the runtime when something changes', () => {
    const children = { a: new Child('a', of(0)), b: new Child('b', of(2)) };
    let threshold = 50;
    const aggregate = new Aggregate(['a', 'b'], 50, {
      random: { below: () => 0 } as unknown as Random,
      runtime: { ...noRuntime, integer: () => threshold },
      cluster: (name) => children[name as 'a'] as unknown as ClusterRuntime,
    });
    const pick = (): unknown => aggregate.pick(newPickContext());
    assert.equal(pick(), 'a 0', 'all are in panic: each has its share');
    threshold = 10;
    assert.equal(pick(), 'a 0');
    children.a.membershipChanges++;
    assert.equal(pick(), 'b 0');
  });

  test('follows what changes', () => {
    const a = new Child('a', of(10));
    const children: Record<string, Child | undefined> = { a, b: new Child('b', of(10)) };
    const aggregate = new Aggregate(['a', 'b'], 50, {
      random: { below: () => 0 } as unknown as Random,
      cluster: (name) => children[name] as unknown as ClusterRuntime | undefined,
    });
    const pick = (): unknown => aggregate.pick(newPickContext());
    assert.equal(pick(), 'a 0');
    a.levels = [of(0)];
    assert.equal(pick(), 'a 0', 'nobody said so');
    a.membershipChanges++;
    assert.equal(pick(), 'b 0');
    children.b = undefined;
    assert.equal(pick(), 'a 0');
    children.a = new Child('another', of(10));
    assert.equal(pick(), 'another 0');
  });
});
