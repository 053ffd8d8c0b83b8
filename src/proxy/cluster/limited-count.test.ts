import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type LimitedCount, limitedCount, SharedCounts } from './limited-count.ts';

const kinds: [string, () => LimitedCount][] = [
  ['of one thread', () => limitedCount(undefined, 0, 2)],
  [
    'of all threads',
    () => limitedCount(new SharedCounts(SharedCounts.memory(1, 2), { index: 0, count: 2 }), 0, 2),
  ],
];

for (const [name, make] of kinds) {
  describe(`a count ${name}`, () => {
    test('gives as many places as there are, and each again once it is free', () => {
      const count = make();
      assert.deepEqual([count.take(), count.take(), count.take()], [true, true, false]);
      assert.equal(count.value, 2);
      count.release();
      assert.deepEqual([count.take(), count.take()], [true, false]);
    });

    test('can be made to go over', () => {
      const count = make();
      for (let i = 0; i < 3; i++) count.force();
      assert.equal(count.value, 3);
      count.release();
      assert.equal(count.take(), false);
    });
  });
}

describe('counts of several threads', () => {
  test('are one count, and not that of their neighbours', () => {
    const memory = SharedCounts.memory(2, 2);
    const [a, b] = [0, 1].map((index) => new SharedCounts(memory, { index, count: 2 }));
    assert.ok(a!.count(0, 1).take());
    assert.equal(b!.count(0, 1).take(), false);
    assert.ok(b!.count(1, 1).take());
  });

  test('a thread that died gives back what it held and no more', () => {
    const memory = SharedCounts.memory(1, 2);
    const counts = [0, 1].map((index) => new SharedCounts(memory, { index, count: 2 }));
    const [a, b] = counts.map((shared) => shared.count(0, 10));
    for (let i = 0; i < 3; i++) a!.take();
    a!.release();
    b!.take();
    counts[0]!.forgetThread();
    assert.equal(b!.value, 1);
    counts[0]!.forgetThread();
    assert.equal(b!.value, 1);
  });
});
