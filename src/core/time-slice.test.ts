import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { atOnce, inSlices, type Steps, timeSlices } from './time-slice.ts';

/** A clock that goes on by `stepMs` whenever it is read. */
function ticking(stepMs: number): () => number {
  let nowMs = 0;
  return () => (nowMs += stepMs);
}

function* noting(name: string, pieces: number, notes: string[]): Steps<string> {
  for (let i = 0; i < pieces; i++) {
    notes.push(`${name}${i}`);
    yield;
  }
  return name;
}

describe('work in slices', () => {
  test('at once, nothing comes between', () => {
    const notes: string[] = [];
    assert.equal(atOnce(noting('a', 3, notes)), 'a');
    assert.deepEqual(notes, ['a0', 'a1', 'a2']);
  });

  test('the event loop turns where a slice is used up, and not before', async () => {
    const notes: string[] = [];
    const turn = (): void => {
      notes.push('turn');
      if (notes.length < 20) setImmediate(turn);
    };
    setImmediate(turn);
    assert.equal(await inSlices(noting('a', 6, notes), timeSlices(ticking(0.5))), 'a');
    assert.deepEqual(notes.slice(0, 8), ['a0', 'a1', 'turn', 'a2', 'a3', 'turn', 'a4', 'a5']);
  });

  test('two at a time share the turns', async () => {
    const notes: string[] = [];
    let turns = 0;
    const turn = (): void => {
      notes.push('|');
      if (++turns < 20) setImmediate(turn);
    };
    setImmediate(turn);
    await Promise.all([
      inSlices(noting('a', 3, notes), timeSlices(ticking(2))),
      inSlices(noting('b', 3, notes), timeSlices(ticking(2))),
    ]);
    const between = notes.slice(2).join('').split('|').slice(1, 5);
    assert.deepEqual(between, ['a1', 'b1', 'a2', 'b2']);
  });

  test('an error ends it', async () => {
    const wrong = function* (): Steps<void> {
      yield;
      throw new Error('wrong');
    };
    await assert.rejects(inSlices(wrong()), /wrong/);
    assert.throws(() => atOnce(wrong()), /wrong/);
  });
});
