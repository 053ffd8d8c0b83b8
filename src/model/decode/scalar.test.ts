import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseDurationMs } from './scalar.ts';

describe('parseDurationMs', () => {
  const cases: [written: string, ms: number | undefined, why: string][] = [
    ['10s', 10_000, 'seconds'],
    ['1.5s', 1500, 'fraction'],
    ['.5s', 500, 'fraction without whole'],
    ['1h2m3s4ms', 3_723_004, 'several units'],
    ['250ms', 250, 'milliseconds'],
    ['100us', 0.1, 'microseconds'],
    ['0', 0, 'nothing needs no unit'],
    ['5', undefined, 'no unit'],
    ['5 s', undefined, 'a blank'],
    ['-1s', undefined, 'negative'],
    ['1d', undefined, 'days are not known'],
    ['', undefined, 'empty'],
  ];
  for (const [written, ms, why] of cases) {
    test(`${written}: ${ms} (${why})`, () => assert.equal(parseDurationMs(written), ms));
  }
});
