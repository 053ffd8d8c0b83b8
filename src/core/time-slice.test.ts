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

/** Notes each turn of the event loop as `|`, many in a row as one, while `work` is under way. */
async function withTurns(notes: string[], work: () => Promise<unknown>): Promise<string> {
  let done = false;
  const turn = (): void => {
    if (done) return;
    if (notes.at(-1) !== '|') notes.push('|');
    setImmediate(turn);
  };
  setImmediate(turn);
  await work();
  done = true;
  return notes.join(' ');
}

describe('work in slices', () => {
  test('at once, nothing comes between', () => {
    const notes: string[] = [];
    assert.equal(atOnce(noting('a', 3, notes)), 'a');
    assert.deepEqual(notes, ['a0', 'a1', 'a2']);
  });

  test('the event loop turns where a slice is used up, and not before', async () => {
    const notes: string[] = [];
    const slices = timeSlices(ticking(0.5));
    assert.equal(
      await withTurns(notes, () => inSlices(noting('a', 6, notes), slices)),
      'a0 a1 | a2 a3 | a4 a5 |',
    );
  });

  test('two at a time share the turns', async () => {
    const notes: string[] = [];
    const both = (): Promise<unknown> =>
      Promise.all([
        inSlices(noting('a', 3, notes), timeSlices(ticking(2))),
        inSlices(noting('b', 3, notes), timeSlices(ticking(2))),
      ]);
    assert.match(await withTurns(notes, both), /^a0 b0 \| a1 \| b1 \| a2 \| b2\b/);
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
