/** What HTTP/1 backends answer by themselves: the first segment of the path says what. */
import { sortedByName, steadyLines } from '../wire/volatile.ts';
import type { Http1Exchange } from './exchange.ts';

interface Answering extends Http1Exchange {
  /** The second segment of the path. */
  readonly argument: string;
  readonly text: string;
  reply(status: string, text: string, headers?: readonly string[]): void;
}

const LATER_MS = 150;

type PathAnswer = (request: Answering) => void;

/** Paths that are answered when the head is there, without waiting for the body. */
const early: Readonly<Record<string, PathAnswer>> = {
  early: ({ reply }) => reply('200 OK', 'early', ['connection: close']),
  'reset-before-head': ({ reset }) => reset(),
  slow: () => {},
};

const answers: Readonly<Record<string, PathAnswer>> = {
  echo: ({ head, text, reply }) => {
    const [line, ...headers] = head.split('\r\n');
    const told = [line, ...steadyLines(headers)].join('\n');
    reply('200 OK', `${told}\n\n${text}`, ['x-upstream: here', 'content-type: text/plain']);
  },
  later: ({ reply }) => void setTimeout(() => reply('200 OK', 'later'), LATER_MS),
  length: ({ text, reply }) => reply('200 OK', String(text.length)),
  name: ({ name, head, reply }) => reply('200 OK', `${name} ${/^x-weighted: .*$/im.exec(head)?.[0] ?? ''}`),
  loaded: ({ argument, reply }) =>
    reply('200 OK', '', [`endpoint-load-metrics: TEXT rps_fractional=${argument},cpu_utilization=1`]),
  degraded: ({ reply }) => reply('200 OK', 'somehow', ['x-envoy-degraded: true']),
  status: ({ argument, write, reply }) => {
    if (argument === '204' || argument === '304') write(`HTTP/1.1 ${argument} Fine\r\netag: "1"\r\n\r\n`);
    else reply(`${argument} Some Reason`, `status ${argument}`);
  },
  flaky: ({ attempt, reply }) =>
    attempt < 3 ? reply('503 No', 'not yet') : reply('200 OK', `attempt ${attempt}`),
  chunked: ({ write }) =>
    write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nhello \r\n5;x=y\r\nworld\r\n0\r\n\r\n'),
  trailers: ({ write }) => {
    write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n');
    write('3\r\nabc\r\n0\r\nx-sum: 294\r\n\r\n');
  },
  'close-delimited': ({ write, end }) => {
    write('HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\nuntil the end');
    end();
  },
  http10: ({ write, end }) => {
    write('HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\nold');
    end();
  },
  partial: ({ write }) => write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npartial'),
  'end-before-head': ({ end }) => end(),
  garbage: ({ write, end }) => {
    write('this is no HTTP\r\n\r\n');
    end();
  },
  'both-lengths': ({ write }) =>
    write('HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n'),
  continue: ({ write, reply }) => {
    write('HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n');
    reply('200 OK', 'after hints');
  },
  multi: ({ reply }) =>
    reply('200 OK', 'two cookies', ['set-cookie: a=1', 'Set-Cookie: b=2', 'X-MiXed: Case']),
  server: ({ reply }) => reply('200 OK', '', ['server: theirs']),
  date: ({ reply }) => reply('200 OK', '', ['date: Thu, 01 Jan 1970 00:00:00 GMT']),
  hop: ({ reply }) =>
    reply('200 OK', 'hop', [
      'connection: keep-alive, x-mine',
      'keep-alive: timeout=5',
      'x-mine: 1',
      'proxy-connection: x',
    ]),
};

export async function answerByPath(exchange: Http1Exchange): Promise<void> {
  const { method, path, write } = exchange;
  const [, kind = '', argument = ''] = (path.split('?')[0] ?? '').split('/');
  const reply: Answering['reply'] = (status, text, headers = []) => {
    const lines = [`HTTP/1.1 ${status}`, ...sortedByName([`content-length: ${text.length}`, ...headers])];
    write(`${lines.join('\r\n')}\r\n\r\n${method === 'HEAD' ? '' : text}`);
  };
  const soon = early[kind];
  if (soon !== undefined) {
    soon({ ...exchange, argument, reply, text: '' });
    return;
  }
  const text = await exchange.body();
  const answer = answers[kind] ?? (({ reply }): void => reply('200 OK', `path ${path}`));
  answer({ ...exchange, argument, reply, text });
}
