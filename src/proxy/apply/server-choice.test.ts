import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ServerChoice } from './server-choice.ts';

/** The servers that are asked where each try ends without an answer. */
function tried(choice: ServerChoice, times: number): number[] {
  return Array.from({ length: times }, () => {
    const { current } = choice;
    choice.ended();
    return current;
  });
}

describe('the choice of a management server', () => {
  test('the second is asked when the first was away twice, then each in turn', () => {
    assert.deepEqual(tried(new ServerChoice(2), 6), [0, 0, 1, 0, 1, 0]);
  });

  test('where there is one it is asked for ever', () => {
    assert.deepEqual(tried(new ServerChoice(1), 3), [0, 0, 0]);
  });

  test('the first one that has answered is never left', () => {
    const choice = new ServerChoice(2);
    choice.answered();
    assert.deepEqual(tried(choice, 4), [0, 0, 0, 0]);
    assert.equal(choice.isOther, false);
  });

  test('what the second one said is no version of the first', () => {
    const choice = new ServerChoice(2);
    tried(choice, 2);
    choice.answered();
    assert.equal(choice.isOther, false);
    choice.ended();
    assert.equal(choice.current, 0);
    assert.equal(choice.isOther, true);
  });

  test('none can be had once each was tried', () => {
    const one = new ServerChoice(1);
    assert.equal(one.allAway, true);
    const two = new ServerChoice(2);
    tried(two, 2);
    assert.equal(two.allAway, false);
    tried(two, 1);
    assert.equal(two.allAway, true);
    two.answered();
    assert.equal(two.allAway, false);
  });
});
