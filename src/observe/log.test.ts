import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createLogger, type LogFormat, type LogLevel, parseLogLevel } from './log.ts';

function capture(
  level: LogLevel,
  format: LogFormat,
): { lines: string[]; log: ReturnType<typeof createLogger> } {
  const lines: string[] = [];
  return { lines, log: createLogger({ level, format, write: (line) => lines.push(line), nowMs: () => 0 }) };
}

describe('log', () => {
  test('text quotes what needs it', () => {
    const { lines, log } = capture('info', 'text');
    log.info('apply.listener-added', {
      name: 'a',
      message: 'two words',
      count: 3,
      none: undefined,
      empty: '',
    });
    assert.deepEqual(lines, [
      '1970-01-01T00:00:00.000Z info  apply.listener-added name=a message="two words" count=3 empty=""\n',
    ]);
  });

  test('json is one object a line, errors by their causes', () => {
    const { lines, log } = capture('info', 'json');
    log.error('apply.failed', { error: new Error('outer', { cause: new Error('inner') }), n: 1n });
    assert.deepEqual(JSON.parse(lines[0]!), {
      time: '1970-01-01T00:00:00.000Z',
      level: 'error',
      event: 'apply.failed',
      error: 'outer: inner',
      n: '1',
    });
  });

  test('a line under the level is not written, and children follow a change of level', () => {
    const { lines, log } = capture('warn', 'text');
    const child = log.child({ stream: 1 });
    child.info('a.b');
    assert.equal(lines.length, 0);
    log.level = 'debug';
    child.debug('a.b');
    assert.match(lines[0]!, /a\.b stream=1\n$/);
    log.level = 'off';
    child.error('a.b');
    assert.equal(lines.length, 1);
  });

  test("Envoy's names of levels", () => {
    assert.equal(parseLogLevel('warning'), 'warn');
    assert.equal(parseLogLevel('critical'), 'error');
    assert.equal(parseLogLevel('loud'), undefined);
  });
});
