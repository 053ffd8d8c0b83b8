/** The table of streams does what a Map does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ReadyRing } from './ready-ring.ts';
import type { H2Stream } from './stream.ts';
import { StreamTable } from './stream-table.ts';

const streamOf = (id: number): H2Stream =>
  ({ id, nextReady: undefined, previousReady: undefined }) as unknown as H2Stream;

test('streams are found until they are deleted', () => {
  // Ids that fall into one slot, and ids in a row.
  const id = fc
    .oneof(
      fc.nat({ max: 40 }),
      fc.nat({ max: 12 }).map((n) => n * 64),
    )
    .map((n) => 2 * n + 1);
  const step = fc.record({ id, add: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const table = new StreamTable();
      const map = new Map<number, H2Stream>();
      for (const { id, add } of steps) {
        const known = map.get(id);
        if (add && known === undefined) {
          const stream = streamOf(id);
          map.set(id, stream);
          table.add(stream);
        } else if (!add && known !== undefined) {
          map.delete(id);
          table.delete(known);
        }
        for (const { id } of steps) assert.equal(table.get(id), map.get(id));
        assert.equal(table.size, map.size);
      }
      assert.deepEqual(new Set(table.toArray()), new Set(map.values()));
    }),
    { numRuns: 200 },
  );
});

test('a ring keeps the order of turns while streams come and go', () => {
  const ring = new ReadyRing();
  const [a, b, c] = [streamOf(1), streamOf(3), streamOf(5)];
  for (const stream of [a!, b!, c!, a!]) ring.add(stream);
  const turns: number[] = [];
  const turn = (): void => {
    turns.push(ring.first!.id);
    ring.turn();
  };
  for (let i = 0; i < 4; i++) turn();
  ring.remove(c!);
  turn();
  turn();
  ring.add(c!);
  turn();
  turn();
  turn();
  assert.deepEqual(turns, [1, 3, 5, 1, 3, 1, 3, 1, 5]);
  for (const stream of [b!, b!, a!, c!]) ring.remove(stream);
  assert.equal(ring.first, undefined);
});
