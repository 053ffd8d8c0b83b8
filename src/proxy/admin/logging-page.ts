/** `/logging`: the levels of loggers, read and set. */
import { type Logger, type LoggerName, type LogLevel, loggerNames, parseLogLevel } from '#observe/log.ts';
import { type AdminPage, type AdminReply, textReply } from './contract.ts';

const USAGE = [
  'usage: /logging?<name>=<level> (change single level)',
  'usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)',
  'usage: /logging?level=<level> (change all levels)',
  'levels: trace debug info warning error critical off',
  '',
].join('\n');

export const loggingPage: AdminPage = {
  path: '/logging',
  method: 'POST',
  help: 'query/change logging levels',
  parameters: {
    paths: 'change several levels: NAME:LEVEL,NAME:LEVEL',
    level: 'change the level of all loggers; one of trace, debug, info, warning, error, critical, off',
  },
  answer(query, { log }): AdminReply {
    const wrong = change(query, log);
    const list = `active loggers:\n${loggerNames.map((name) => `  ${name}: ${levelName(log.levelOf(name))}\n`).join('')}\n`;
    return wrong === undefined ? textReply(list) : textReply(`error: ${wrong}\n\n${USAGE}${list}`, 400);
  },
};

function levelName(level: LogLevel): string {
  return level === 'warn' ? 'warning' : level;
}

/** What is wrong; nothing is changed then. */
function change(query: URLSearchParams, log: Logger): string | undefined {
  const [first, second] = query;
  if (first === undefined) return undefined;
  if (second !== undefined) return 'invalid number of parameters';
  const [parameter, value] = first;
  if (parameter === 'level') {
    const level = parseLogLevel(value);
    if (level === undefined) return 'unknown logger level';
    log.level = level;
    return undefined;
  }
  if (parameter === 'group') return 'group parameter requires fine-grain logging, which is not supported';
  const pairs = parameter === 'paths' ? value.split(',') : [`${parameter}:${value}`];
  const read: [LoggerName, LogLevel][] = [];
  for (const pair of pairs) {
    const [name = '', text = ''] = pair.split(':');
    if (name === '' || text === '') return 'empty logger name or empty logger level';
    const level = parseLogLevel(text);
    if (level === undefined) return 'unknown logger level';
    const known = loggerNames.find((one) => one === name);
    if (known === undefined) return 'unknown logger name';
    read.push([known, level]);
  }
  for (const [name, level] of read) log.setLevel(name, level);
  return undefined;
}
