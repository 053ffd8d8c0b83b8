import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { colours } from './colour.ts';
import { humanDuration, table } from './table.ts';

describe('table', () => {
  test('columns are as wide as their widest cell, three spaces apart, without blanks at the end', () => {
    const rows = [
      ['reviews', '1/1', ''],
      ['a', '10/10', 'v1'],
    ];
    assert.deepEqual(table(['NAME', 'READY', 'VERSION'], rows), [
      'NAME      READY   VERSION',
      'reviews   1/1',
      'a         10/10   v1',
    ]);
  });

  test('colours take no room', () => {
    const { good } = colours(true);
    const [, first, second] = table(
      ['A', 'B'],
      [
        [good('ok'), 'x'],
        ['bad', 'x'],
      ],
    );
    assert.equal(first, `${good('ok')}    x`);
    assert.equal(second, 'bad   x');
  });

  test('colour off leaves the text as it is', () => assert.equal(colours(false).bad('x'), 'x'));
});

describe('humanDuration', () => {
  const cases: readonly (readonly [milliseconds: number, text: string])[] = [
    [-5, '0s'],
    [999, '0s'],
    [59_999, '59s'],
    [60_000, '1m'],
    [252_000, '4m12s'],
    [3_600_000, '1h'],
    [11_100_000, '3h5m'],
    [187_200_000, '2d4h'],
  ];
  for (const [milliseconds, text] of cases) {
    test(`${milliseconds} ms is ${text}`, () => assert.equal(humanDuration(milliseconds), text));
  }
});
