/** What upstreams do, for better or worse, and what comes of it. */
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { mainGroup } from './harness/main-group.ts';
import { get, http1, request, type Step } from './wire/http1.ts';

const simple = (name: string, path: string, expect: Expectation): Case => ({
  name,
  covers: 'upstream',
  play: http1([get(path)]),
  expect: { connection: 'open', ...expect },
});

/** One GET that the upstream answers with these bytes. */
const answered = (name: string, bytes: string, expect: Expectation, ...more: readonly Step[]): Case => ({
  name,
  covers: 'upstream',
  answers: { a: bytes },
  play: http1([get('/answered'), ...more]),
  expect,
});

const failures: readonly Case[] = [
  simple('retry after 503', '/retry', {
    status: 200,
    upstream: /GET \/flaky[\s\S]*GET \/flaky[\s\S]*GET \/flaky/,
    stats: { 'cluster.a.upstream_rq_retry': 2, 'cluster.a.upstream_rq_retry_success': 1 },
  }),
  simple('connect refused', '/refused', {
    status: 503,
    client: /upstream connect error or disconnect/,
    log: / 503 UF upstream_reset_before_response_started/,
    stats: { 'cluster.refused.upstream_cx_connect_fail': 1 },
  }),
  simple('connect refused, which is before the request', '/again-refused', {
    status: 503,
    log: / 503 URX,UF upstream_reset_before_response_started/,
    stats: { 'cluster.refused.upstream_cx_connect_fail': 3, 'cluster.refused.upstream_rq_retry': 2 },
  }),
  simple('reset before the head', '/reset-before-head', {
    status: 503,
    log: / 503 UC upstream_reset_before_response_started\{connection_termination\}/,
  }),
  simple('closed before the head', '/end-before-head', { status: 503, log: / 503 UC / }),
  simple('upstream speaks no HTTP', '/garbage', {
    status: 502,
    log: / 502 UPE /,
    stats: { 'cluster.a.upstream_cx_protocol_error': 1 },
  }),
  simple('route timeout', '/timeout', {
    status: 504,
    client: /"upstream request timeout"/,
    log: / 504 UT response_timeout /,
    stats: { 'cluster.a.upstream_rq_timeout': 1 },
  }),
  {
    name: 'reset after the head',
    covers: 'upstream',
    play: http1([
      get('/partial'),
      { until: /partial$/ },
      { act: ({ backend, id }) => backend('a').reset(id) },
    ]),
    expect: { status: 200, connection: 'closed', client: /body by incomplete: "partial"/ },
  },
];

const framing: readonly Case[] = [
  simple('close-delimited response', '/close-delimited', {
    status: 200,
    client: /body by chunked: "until the end"/,
  }),
  simple('HTTP/1.0 response', '/http10', { status: 200, client: /body by chunked: "old"/ }),
  simple('chunked response', '/chunked', {
    status: 200,
    client: /body by chunked: "hello world"/,
    never: /chunk extension/,
  }),
  simple('trailers of the response', '/trailers', {
    status: 200,
    client: /body by chunked: "abc"/,
    never: /^trailer x-sum/,
  }),
  simple('both lengths in a response', '/both-lengths', { status: 502, log: / 502 UPE / }),
  simple('204', '/status/204', { status: 204, never: /body by/ }),
  simple('304', '/status/304', { status: 304, client: /etag: "1"/ }),
  simple('500 passes through', '/status/500', {
    status: 500,
    client: /"status 500"/,
    log: / 500 - via_upstream /,
  }),
  simple('early hints', '/continue', { status: 200, client: /"after hints"/ }),
  simple('headers that repeat', '/multi', { client: /set-cookie: a=1\nset-cookie: b=2/ }),
  simple('hop-by-hop headers of the response', '/hop', {
    client: /x-mine: 1/,
    never: [/keep-alive: timeout/, /^connection: keep/],
  }),
  {
    name: 'HEAD',
    covers: 'upstream',
    play: http1([request('HEAD', '/echo')], { methods: ['HEAD'] }),
    expect: { status: 200, client: /content-length: [1-9]/, never: /body by/, connection: 'open' },
  },
  {
    name: 'response before the body of the request',
    covers: 'upstream',
    play: http1([request('POST', '/early', ['content-length: 10'])], { methods: ['POST'] }),
    expect: { status: 200, connection: 'closed', client: /"early"/ },
  },
];

const grammar: readonly Case[] = [
  answered('a body that goes on past its length', 'HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcdef', {
    status: 200,
    client: /body by length: "abc"/,
    never: /def/,
  }),
  answered(
    'a second response that nobody asked for',
    'HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\naHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nb',
    { status: 200, client: /body by length: "a"/, never: /"b"/ },
  ),
  answered(
    'two lengths in a response',
    'HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd',
    {
      status: 502,
      log: / 502 UPE /,
    },
  ),
  answered('a length in a response that is no number', 'HTTP/1.1 200 OK\r\ncontent-length: 3x\r\n\r\nabc', {
    status: 502,
  }),
  answered(
    'a bad chunk in a response',
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nabc\r\n',
    {
      status: [200],
      connection: 'closed',
    },
  ),
  answered(
    'a header of a response with a space before its colon',
    'HTTP/1.1 200 OK\r\nx-a : 1\r\ncontent-length: 0\r\n\r\n',
    {
      status: 502,
    },
  ),
  answered('a NUL in a header of a response', 'HTTP/1.1 200 OK\r\nx-a: a\0b\r\ncontent-length: 0\r\n\r\n', {
    status: 502,
  }),
  answered('a folded header of a response', 'HTTP/1.1 200 OK\r\nx-a: 1\r\n 2\r\ncontent-length: 0\r\n\r\n', {
    status: 200,
    client: /x-a: 1 +2/,
  }),
  answered('bare LF in a response', 'HTTP/1.1 200 OK\ncontent-length: 2\n\nok', {
    status: 200,
    client: /"ok"/,
  }),
  answered('a response with HTTP/2.0 in its line', 'HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n', {
    status: 200,
    client: /^HTTP\/1\.1 200/,
  }),
  answered('a reason of none', 'HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n', { status: 200 }),
  answered('a response with an oversized head', `HTTP/1.1 200 OK\r\nx-big: ${'a'.repeat(100_000)}\r\n\r\n`, {
    status: 502,
  }),
  answered(
    'a response with too many headers',
    `HTTP/1.1 200 OK\r\n${Array.from({ length: 120 }, (_, at) => `x-h${at}: v\r\n`).join('')}\r\n`,
    { status: 502 },
  ),
  answered(
    '101 that nobody asked for',
    'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
    {
      status: 101,
      connection: 'open',
      never: /^upgrade:/,
    },
  ),
  answered(
    'transfer-encoding of a response that is not known',
    'HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n',
    {
      status: 502,
    },
  ),
  answered(
    '100 before the response',
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na',
    {
      status: 200,
      client: /"a"/,
    },
  ),
  answered('204 with a length', 'HTTP/1.1 204 None\r\ncontent-length: 0\r\n\r\n', {
    status: 204,
    never: /^content-length/,
  }),
  answered('204 with chunks', 'HTTP/1.1 204 None\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n', {
    status: 502,
  }),
];

export const groups: readonly Group[] = [mainGroup('upstream', [...failures, ...framing, ...grammar])];

if (import.meta.main) compare(groups);
