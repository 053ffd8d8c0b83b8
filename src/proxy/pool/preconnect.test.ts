import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { needsMore } from './preconnect.ts';

describe('whether connections are made ahead', () => {
  const cases: [
    why: string,
    pending: number,
    active: number,
    capacity: number,
    ratio: number,
    anticipated: number,
    needs: boolean,
  ][] = [
    ['nothing waits', 0, 0, 0, 1, 0, false],
    ['one waits for none', 1, 0, 0, 1, 0, true],
    ['one waits for one', 1, 0, 1, 1, 0, false],
    ['one waits for one, and one may follow', 1, 0, 1, 2, 0, true],
    ['busy ones want another', 0, 2, 0, 1.5, 0, true],
    ['busy ones have another', 0, 2, 1, 1.5, 0, false],
    ['without a request nothing is wanted', 0, 0, 0, 3, 0, false],
    ['one is about to come', 0, 0, 1, 1.5, 1, true],
    ['room of HTTP/2', 1, 0, 1024, 3, 0, false],
  ];
  for (const [why, pending, active, capacity, ratio, anticipated, needs] of cases) {
    test(why, () => assert.equal(needsMore({ pending, active, capacity }, ratio, anticipated), needs));
  }
});
