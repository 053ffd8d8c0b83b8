import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Endpoint } from './endpoint.ts';
import { LookAhead } from './look-ahead.ts';
import { newPickContext } from './pick-context.ts';

/** One after the other: 0, 1, 2, and so on. */
class Numbers {
  #next = 0;

  pick(): Endpoint {
    return this.#next++ as unknown as Endpoint;
  }

  members(): { healthy: number } {
    return { healthy: 2 };
  }
}

describe('endpoints chosen ahead', () => {
  test('come in their order, and no more than there are healthy ones', () => {
    const ahead = new LookAhead(new Numbers(), () => 1);
    assert.equal(ahead.pick(newPickContext()), 0);
    assert.deepEqual([ahead.peek(), ahead.peek(), ahead.peek()], [1, 2, undefined]);
    assert.equal(ahead.pick(newPickContext()), 1);
    assert.equal(ahead.peek(), 3);
    assert.deepEqual(
      [2, 3, 4].map(() => ahead.pick(newPickContext())),
      [2, 3, 4],
    );
  });

  test('are forgotten when the endpoints change', () => {
    const numbers = new Numbers();
    let changes = 1;
    const ahead = new LookAhead(numbers, () => changes);
    ahead.peek();
    changes++;
    assert.equal(ahead.pick(newPickContext()), 1);
  });

  test('those tried before are passed over', () => {
    const ahead = new LookAhead(new Numbers(), () => 1);
    ahead.peek();
    ahead.peek();
    const refusal = { refuses: (endpoint: Endpoint) => endpoint === (0 as unknown as Endpoint) };
    assert.equal(ahead.pick({ ...newPickContext(), refusal, attempts: 3 }), 1);
  });
});
