import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compileTimeFormat, isoTime } from './time-format.ts';

const at = Date.UTC(2026, 2, 5, 4, 7, 9) + 12.25;

describe('time formats', () => {
  const cases: [format: string, text: string][] = [
    ['%Y/%m/%dT%H:%M:%S%z %s', '2026/03/05T04:07:09+0000 1772683629'],
    ['%s.%3f', '1772683629.012'],
    ['%6f', '012250'],
    ['%f', '012250000'],
    ['%e %j %y %I%p', ' 5 064 26 04AM'],
    ['%a %A %b %B', 'Thu Thursday Mar March'],
    ['%F %T %R %D', '2026-03-05 04:07:09 04:07 03/05/26'],
    ['100%%', '100%'],
  ];
  for (const [format, text] of cases) {
    test(format, () => {
      const compiled = compileTimeFormat(format);
      assert.ok(compiled.ok);
      assert.equal(compiled.value(at), text);
    });
  }

  test('without a format', () => {
    assert.equal(isoTime(at), '2026-03-05T04:07:09.012Z');
    assert.equal(isoTime(at + 900), '2026-03-05T04:07:09.912Z');
    assert.equal(isoTime(at + 1000), '2026-03-05T04:07:10.012Z');
  });

  test('an unknown conversion is a problem', () => {
    const compiled = compileTimeFormat('%Y %Q');
    assert.equal(compiled.ok, false);
    assert.match(compiled.problems[0]!.message, /"%Q"/);
  });
});
