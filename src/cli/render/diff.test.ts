import assert from 'node:assert/strict';
import { test } from 'node:test';
import { colours } from './colour.ts';
import { lineDiff } from './diff.ts';

const plain = colours(false);
const lines = (count: number): string[] => Array.from({ length: count }, (_, index) => `line ${index + 1}`);
const text = (of: readonly string[]): string => `${of.join('\n')}\n`;

test('nothing changed, nothing said', () => assert.deepEqual(lineDiff('a', 'x\n', 'x\n', plain), []));

test('near changes share their lines around, far ones do not', () => {
  const before = lines(20);
  const after = before.with(1, 'second').with(4, 'fifth').with(17, 'eighteenth');
  assert.deepEqual(lineDiff('a.yaml', text(before), text(after), plain), [
    '--- a.yaml',
    '+++ a.yaml',
    '@@ -1,8 +1,8 @@',
    ...[
      ' line 1',
      '-line 2',
      '+second',
      ' line 3',
      ' line 4',
      '-line 5',
      '+fifth',
      ' line 6',
      ' line 7',
      ' line 8',
    ],
    '@@ -15,6 +15,6 @@',
    ...[' line 15', ' line 16', ' line 17', '-line 18', '+eighteenth', ' line 19', ' line 20'],
  ]);
});

test('a text without a line break at its end', () => {
  assert.deepEqual(lineDiff('a', 'x', 'y', plain).slice(2), ['@@ -1,1 +1,1 @@', '-x', '+y']);
});
