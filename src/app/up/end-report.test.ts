/** What is told of an end: the lines that say why. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { tellingLines } from './end-report.ts';

describe('tellingLines', () => {
  const cases: [why: string, lines: readonly string[], told: readonly string[]][] = [
    ['nothing written', [], []],
    ['few lines', ['one', 'two'], ['one', 'two']],
    ['many lines: the last', ['1', '2', '3', '4', '5', '6'], ['2', '3', '4', '5', '6']],
    [
      'Node: the error stands before its details',
      ['Error: listen EADDRINUSE', "  code: 'EADDRINUSE',", '  errno: -98,', '  address,', '  port', '}', ''],
      ['Error: listen EADDRINUSE', "  code: 'EADDRINUSE',", '  errno: -98,', '  address,', '  port'],
    ],
    [
      'Python: the error stands last',
      ['a', 'b', 'c', 'd', 'e', 'OSError: [Errno 98]'],
      ['b', 'c', 'd', 'e', 'OSError: [Errno 98]'],
    ],
    [
      'Go',
      ['panic: no', 'goroutine 1', 'main.go:3', 'x', 'y', 'exit 2'],
      ['panic: no', 'goroutine 1', 'main.go:3', 'x', 'y'],
    ],
  ];
  for (const [why, lines, told] of cases) {
    test(why, () => assert.deepEqual(tellingLines(lines), told));
  }
});
