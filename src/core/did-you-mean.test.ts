import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { closest, didYouMean } from './did-you-mean.ts';

describe('closest', () => {
  const words = ['subset', 'host', 'port', 'perTryTimeout', 'retries', 'hosts'];
  const cases: [word: string, meant: string | undefined, why: string][] = [
    ['subnet', 'subset', 'one letter'],
    ['hots', 'host', 'two letters swapped'],
    ['perTryTimout', 'perTryTimeout', 'one left out'],
    ['pertrytimeout', 'perTryTimeout', 'case'],
    ['weight', undefined, 'nothing near'],
    ['x', undefined, 'too short to guess'],
  ];
  for (const [word, meant, why] of cases) {
    test(`${word}: ${meant} (${why})`, () => assert.equal(closest(word, words), meant));
  }
});

test('didYouMean asks, or says nothing', () => {
  assert.equal(didYouMean('hotss', ['hosts']), 'did you mean "hosts"?');
  assert.equal(didYouMean('zebra', ['hosts']), undefined);
});
