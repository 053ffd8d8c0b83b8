import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Flushable, FlushQueue } from './flush-queue.ts';

test('everything is flushed once a turn, also where one throws or adds itself again', () => {
  let deferred: (() => void)[] = [];
  const queue = new FlushQueue((run) => deferred.push(run));
  const flushed: string[] = [];
  const make = (name: string, react: (self: Flushable) => void = () => {}): Flushable => {
    const self: Flushable = {
      flushQueued: false,
      flush() {
        flushed.push(name);
        react(self);
      },
    };
    return self;
  };
  const turn = (): void => {
    const [run, ...more] = deferred;
    assert.deepEqual(more, [], 'asked for twice');
    deferred = [];
    run?.();
  };
  let again = true;
  const a = make('a');
  const b = make('b', (self) => {
    if (again) queue.add(self);
    again = false;
  });
  const c = make('c', () => {
    throw new Error('bug');
  });
  const d = make('d');
  for (const one of [a, b, c, d, a, c]) queue.add(one);
  assert.throws(turn, /bug/);
  assert.deepEqual(flushed, ['a', 'b', 'c']);
  turn();
  assert.deepEqual(flushed, ['a', 'b', 'c', 'b', 'd']);
  queue.add(a);
  turn();
  assert.equal(flushed.at(-1), 'a');
  assert.deepEqual(deferred, []);
});
