/** Request smuggling over HTTP/2: lengths, codings, pseudo-headers and line ends that HTTP/1 upstreams must not see. */
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { http2Group } from './harness/http2-group.ts';
import type { Topic } from './harness/topics.ts';
import { dataFrame, headersFrame } from './wire/h2-frames.ts';
import type { Field } from './wire/hpack.ts';
import { type H2Step, h2Get, h2Head, h2Post, http2 } from './wire/http2.ts';

const row =
  (covers: Topic) =>
  (name: string, steps: readonly H2Step[], expect: Expectation, streams: readonly number[] = []): Case => ({
    ...{ name: `h2: ${name}`, covers },
    play: http2(steps, { streams, whole: true }),
    expect: { never: /^a\| GET \/smuggled|^a\| x-injected/, ...expect },
  });

/** Refused with the connection, before anything of it is routed. */
const refused = (details: string): Expectation => ({
  status: [],
  connection: 'closed',
  upstream: 'nothing',
  log: new RegExp(` 0 DPE ${details.replaceAll('.', '\\.')} `),
  stats: { 'http.main.downstream_cx_protocol_error': 1, 'http2.rx_messaging_error': 1 },
});
const invalidField = refused('http2.invalid.header.field');
const brokenMessage = refused('http2.violation.of.messaging.rule');
/** Refused when the head is on its way: the stream ends, and what the upstream has of it. */
const cut: Expectation = { status: [], connection: 'open', client: /^reset / };

const smuggled = 'GET /smuggled HTTP/1.1\r\nhost: test.example\r\n\r\n';
const pseudo = (method = 'GET', path = '/echo'): Field[] => [
  [':method', method],
  [':scheme', 'http'],
  [':authority', 'test.example'],
  [':path', path],
];

const length = row('h2-cl');
const lengths: readonly Case[] = [
  length(
    'content-length shorter than the body',
    [h2Post('/echo', [['content-length', '3']]), { saw: /POST/ }, dataFrame(1, smuggled, true)],
    { ...cut, log: / 0 DPE http2\.remote_reset /, upstream: /^a\| POST/ },
  ),
  length(
    'content-length longer than the body',
    [h2Post('/echo', [['content-length', '100']]), { saw: /POST/ }, dataFrame(1, 'abc', true)],
    { ...cut, log: / 0 DPE http2\.remote_reset /, upstream: /^a\| POST/ },
  ),
  length(
    'content-length of nothing with a body',
    [h2Post('/slow', [['content-length', '0']]), { saw: /POST/ }, dataFrame(1, smuggled, true)],
    { ...cut, log: / 0 DPE http2\.remote_reset /, upstream: /^a\| POST/ },
  ),
  length(
    'content-length with an end in the head',
    [h2Get('/echo', [['content-length', '5']])],
    brokenMessage,
  ),
  length(
    'two lengths',
    [
      h2Post('/echo', [
        ['content-length', '3'],
        ['content-length', '4'],
      ]),
      dataFrame(1, 'abc', true),
    ],
    invalidField,
  ),
  length(
    'the same length twice',
    [
      h2Post('/echo', [
        ['content-length', '3'],
        ['content-length', '3'],
      ]),
      dataFrame(1, 'abc', true),
    ],
    invalidField,
  ),
  length(
    'a length that is no number',
    [h2Post('/echo', [['content-length', '3x']]), dataFrame(1, 'abc', true)],
    invalidField,
  ),
  length(
    'a length with a sign',
    [h2Post('/echo', [['content-length', '+3']]), dataFrame(1, 'abc', true)],
    invalidField,
  ),
  length(
    'a list of lengths',
    [h2Post('/echo', [['content-length', '3, 3']]), dataFrame(1, 'abc', true)],
    invalidField,
  ),
  length(
    'a negative length',
    [h2Post('/echo', [['content-length', '-3']]), dataFrame(1, 'abc', true)],
    invalidField,
  ),
];

const coding = row('h2-te');
const codings: readonly Case[] = [
  coding(
    'transfer-encoding: chunked',
    [h2Post('/echo', [['transfer-encoding', 'chunked']]), dataFrame(1, `0\r\n\r\n${smuggled}`, true)],
    invalidField,
  ),
  coding(
    'transfer-encoding: identity',
    [h2Post('/echo', [['transfer-encoding', 'identity']]), dataFrame(1, 'abc', true)],
    invalidField,
  ),
  coding(
    'transfer-encoding with a space in its name',
    [h2Post('/echo', [['transfer-encoding ', 'chunked']]), dataFrame(1, 'abc', true)],
    invalidField,
  ),
  coding(
    'transfer-encoding in a value',
    [h2Post('/echo', [['x-a', 'b\r\ntransfer-encoding: chunked']]), dataFrame(1, 'abc', true)],
    invalidField,
  ),
  coding(
    'transfer-encoding in trailers',
    [
      h2Post('/echo'),
      dataFrame(1, 'abc'),
      { saw: /abc/ },
      headersFrame(1, [['transfer-encoding', 'chunked']], true),
    ],
    {
      connection: 'closed',
      log: / 0 DPE http2\.invalid\.header\.field /,
      upstream: [/so far: "abc"/, /cut off/],
    },
  ),
  coding('te: gzip', [h2Get('/echo', [['te', 'gzip']])], invalidField),
  coding('connection: close', [h2Get('/echo', [['connection', 'close']])], invalidField),
  coding(
    'connection: transfer-encoding',
    [h2Get('/echo', [['connection', 'transfer-encoding']])],
    invalidField,
  ),
  coding('keep-alive', [h2Get('/echo', [['keep-alive', 'timeout=5']])], invalidField),
  coding('proxy-connection', [h2Get('/echo', [['proxy-connection', 'x']])], invalidField),
  coding('upgrade', [h2Get('/echo', [['upgrade', 'h2c']])], invalidField),
];

const names = row('pseudo-headers');
const pseudoHeaders: readonly Case[] = [
  names('no :method', [h2Head(pseudo().filter(([name]) => name !== ':method'))], brokenMessage),
  names('no :path', [h2Head(pseudo().filter(([name]) => name !== ':path'))], brokenMessage),
  names('no :scheme', [h2Head(pseudo().filter(([name]) => name !== ':scheme'))], brokenMessage),
  names(
    'no :authority and no host',
    [h2Head(pseudo().filter(([name]) => name !== ':authority'))],
    brokenMessage,
  ),
  names('two :method', [h2Head([[':method', 'POST'], ...pseudo()])], invalidField),
  names('two :path', [h2Head([[':path', '/other'], ...pseudo()])], invalidField),
  names('two :authority', [h2Head([[':authority', 'other'], ...pseudo()])], invalidField),
  names('two :scheme', [h2Head([[':scheme', 'https'], ...pseudo()])], invalidField),
  names('an unknown one', [h2Head([...pseudo(), [':what', '1']])], invalidField),
  names(':status in a request', [h2Head([...pseudo(), [':status', '200']])], invalidField),
  names(
    'one after a header',
    [h2Head([...pseudo().slice(0, 3), ['x-a', '1'], [':path', '/echo']])],
    invalidField,
  ),
  names(
    'one in trailers',
    [h2Post('/echo'), dataFrame(1, 'abc'), { saw: /abc/ }, headersFrame(1, [[':path', '/x']], true)],
    { connection: 'closed', log: / 0 DPE http2\.invalid\.header\.field /, upstream: /cut off/ },
  ),
  names('an empty :path', [h2Head(pseudo('GET', ''))], invalidField),
  names(':path without a slash', [h2Head(pseudo('GET', 'echo'))], brokenMessage),
  names(':path with a space', [h2Head(pseudo('GET', '/echo HTTP/1.1'))], invalidField),
  names(':path with a fragment', [h2Head(pseudo('GET', '/echo#x'))], {
    status: 400,
    connection: 'open',
    log: / 400 - path_normalization_failed /,
  }),
  names(':path in absolute form', [h2Head(pseudo('GET', 'http://other/echo'))], brokenMessage),
  names('an empty :method', [h2Head(pseudo('', '/echo'))], invalidField),
  names(':method with a space', [h2Head(pseudo('GET /smuggled', '/echo'))], invalidField),
  names(':method in small letters', [h2Head(pseudo('get', '/echo'))], {
    status: 200,
    upstream: /^a\| get \/echo/,
  }),
  names(
    ':scheme that is another',
    [
      h2Head([
        [':method', 'GET'],
        [':scheme', 'ftp'],
        [':authority', 'test.example'],
        [':path', '/echo'],
      ]),
    ],
    { status: 200, upstream: /x-forwarded-proto: http$/ },
  ),
  names(
    ':scheme https without TLS',
    [
      h2Head([
        [':method', 'GET'],
        [':scheme', 'https'],
        [':authority', 'test.example'],
        [':path', '/echo'],
      ]),
    ],
    { status: 200, upstream: /x-forwarded-proto: http$/ },
  ),
  names('CONNECT with :path', [h2Head(pseudo('CONNECT', '/echo'))], brokenMessage),
  names(':protocol without CONNECT', [h2Head([...pseudo(), [':protocol', 'websocket']])], invalidField),
  names('a name in capitals', [h2Get('/echo', [['X-Upper', '1']])], invalidField),
  names('an empty name', [h2Get('/echo', [['', '1']])], invalidField),
  names('a name with a colon', [h2Get('/echo', [['x:a', '1']])], invalidField),
  names('a name with a space', [h2Get('/echo', [['x a', '1']])], invalidField),
];

const injected = row('crlf');
const injections: readonly Case[] = [
  injected('CR LF in a value', [h2Get('/echo', [['x-a', '1\r\nx-injected: 2']])], invalidField),
  injected('LF in a value', [h2Get('/echo', [['x-a', '1\nx-injected: 2']])], invalidField),
  injected('CR in a value', [h2Get('/echo', [['x-a', '1\rx-injected: 2']])], invalidField),
  injected('NUL in a value', [h2Get('/echo', [['x-a', '1\x002']])], invalidField),
  injected('CR LF in a name', [h2Get('/echo', [['x-a: 1\r\nx-injected', '2']])], invalidField),
  injected(
    'CR LF in :path',
    [h2Head(pseudo('GET', '/echo HTTP/1.1\r\nx-injected: 1\r\nx-b: '))],
    invalidField,
  ),
  injected(
    'CR LF in :method',
    [h2Head(pseudo('GET / HTTP/1.1\r\nx-injected: 1\r\n\r\nGET', '/echo'))],
    invalidField,
  ),
  injected(
    'CR LF in :authority',
    [
      h2Head([
        [':method', 'GET'],
        [':scheme', 'http'],
        [':authority', 'test.example\r\nx-injected: 1'],
        [':path', '/echo'],
      ]),
    ],
    invalidField,
  ),
  injected('a space before a value', [h2Get('/echo', [['x-a', ' 1 ']])], {
    status: 200,
    upstream: /x-a: {2}?1/,
  }),
  injected('a value with bytes above ASCII', [h2Get('/echo', [['x-a', '\xe4']])], {
    status: 200,
    upstream: /x-a: \xe4/,
  }),
];

const host = row('host-authority');
const hosts: readonly Case[] = [
  host('host beside :authority, the same', [h2Get('/echo', [['host', 'test.example']])], {
    status: 200,
    upstream: /host: test\.example/,
    log: / test\.example /,
  }),
  host('host beside :authority, another', [h2Get('/echo', [['host', 'other.example']])], {
    status: 200,
    upstream: /host: test\.example$/,
    never: /other\.example/,
  }),
  host(
    'host without :authority',
    [h2Head([...pseudo().filter(([name]) => name !== ':authority'), ['host', 'test.example']])],
    { status: 200, upstream: /host: test\.example$/ },
  ),
  host(
    'two hosts beside :authority',
    [
      h2Get('/echo', [
        ['host', 'a'],
        ['host', 'b'],
      ]),
    ],
    invalidField,
  ),
  host(
    'an empty :authority',
    [
      h2Head([
        [':method', 'GET'],
        [':scheme', 'http'],
        [':authority', ''],
        [':path', '/echo'],
      ]),
    ],
    invalidField,
  ),
  host(
    'an empty :authority and a host',
    [
      h2Head([
        [':method', 'GET'],
        [':scheme', 'http'],
        [':authority', ''],
        [':path', '/echo'],
        ['host', 'test.example'],
      ]),
    ],
    invalidField,
  ),
  host(
    ':authority with a user',
    [
      h2Head([
        [':method', 'GET'],
        [':scheme', 'http'],
        [':authority', 'me@test.example'],
        [':path', '/echo'],
      ]),
    ],
    invalidField,
  ),
  host(
    ':authority with a path',
    [
      h2Head([
        [':method', 'GET'],
        [':scheme', 'http'],
        [':authority', 'test.example/x'],
        [':path', '/echo'],
      ]),
    ],
    invalidField,
  ),
  host(
    ':authority with a space',
    [
      h2Head([
        [':method', 'GET'],
        [':scheme', 'http'],
        [':authority', 'test example'],
        [':path', '/echo'],
      ]),
    ],
    invalidField,
  ),
];

export const groups: readonly Group[] = [
  http2Group('smuggling over HTTP/2', [...lengths, ...codings]),
  http2Group('fields of HTTP/2', [...pseudoHeaders, ...injections, ...hosts]),
];

if (import.meta.main) compare(groups);
