/** Requests of HTTP/1 and what becomes of them on their way. */
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { mainGroup } from './harness/main-group.ts';
import type { Topic } from './harness/topics.ts';
import { get, head, http1, request, type Step } from './wire/http1.ts';

const one = (
  name: string,
  steps: readonly Step[],
  expect: Expectation,
  methods: readonly string[] = ['GET'],
  covers: Topic = 'http1',
): Case => ({ name, covers, play: http1(steps, { methods }), expect });

const echoed = (path: string): RegExp => new RegExp(`^a\\| GET ${path} HTTP/1.1$`);

const bodies: readonly Case[] = [
  one('POST with a length', [request('POST', '/echo', ['content-length: 5'], 'hello')], {
    status: 200,
    upstream: /body by length: "hello"/,
    log: / in=5 /,
  }),
  one(
    'chunked request',
    [request('POST', '/echo', ['transfer-encoding: chunked'], '5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n')],
    { status: 200, upstream: /body by chunked: "hello world"/, never: /chunk extension/ },
  ),
  one(
    'trailers of the request',
    [request('POST', '/echo', ['transfer-encoding: chunked'], '2\r\nhi\r\n0\r\nx-end: 1\r\n\r\n')],
    { status: 200, upstream: /body by chunked: "hi"/, never: /x-end/ },
  ),
  one(
    '100-continue',
    [
      request('POST', '/echo', ['content-length: 2', 'expect: 100-continue']),
      { until: /^HTTP\/1\.1 100 [^\r]*\r\n\r\n/ },
      'ok',
    ],
    { status: 200, client: /^HTTP\/1\.1 100 Continue$/, never: /\bexpect:/ },
    ['POST'],
  ),
  one('a large body', [({ draw, id }) => large('POST', id, draw.int(100_000, 300_000))], {
    status: 200,
    connection: 'open',
  }),
  one('GET with a body', [request('GET', '/echo', ['content-length: 3'], 'abc')], {
    status: 200,
    upstream: [/^a\| GET /, /body by length: "abc"/],
  }),
  one('an empty chunked body', [request('POST', '/echo', ['transfer-encoding: chunked'], '0\r\n\r\n')], {
    status: 200,
    upstream: /body by chunked: ""/,
  }),
  one('POST without a body', [request('POST', '/echo')], { status: 200, upstream: /content-length: 0/ }),
];

/** A POST whose length, not its content, comes back. */
function large(method: string, id: string, bytes: number): string {
  const lines = [
    `${method} /length HTTP/1.1`,
    'host: test.example',
    `x-test: ${id}`,
    `content-length: ${bytes}`,
  ];
  return `${lines.join('\r\n')}\r\n\r\n${'x'.repeat(bytes)}`;
}

const order: readonly Case[] = [
  {
    ...one(
      'pipelined pair',
      [get('/echo/first'), get('/status/404')],
      { status: [200, 404], connection: 'open' },
      ['GET', 'GET'],
    ),
  },
  one(
    'pipelined ten, the slowest first',
    [get('/retry'), ...Array.from({ length: 9 }, (_, at) => get(`/echo/${at}`))],
    { status: Array.from({ length: 10 }, () => 200), connection: 'open' },
    Array.from({ length: 10 }, () => 'GET'),
  ),
  {
    name: 'pipelined behind one that closes',
    covers: 'http1',
    play: http1(
      [
        head('GET /echo/first HTTP/1.1', 'host: test.example', 'x-test: @ID@', 'connection: close') +
          head('GET /echo/second HTTP/1.1', 'host: test.example', 'x-test: @ID@'),
      ],
      { methods: ['GET', 'GET'], whole: true },
    ),
    expect: { status: 200, connection: 'closed', never: /second/ },
  },
  one('empty lines before the request', [`\r\n\r\n`, get('/echo')], {
    status: 200,
    upstream: echoed('/echo'),
  }),
  one('connection: close is honoured', [get('/echo', 'connection: close')], {
    connection: 'closed',
    client: /^connection: close/,
    never: /^a\| connection/,
  }),
  one('the client says it is done after its request', [get('/slow'), { saw: /\/slow/ }, { end: true }], {
    connection: 'closed',
    log: / 0 DC downstream_remote_disconnect /,
  }),
];

const versions: readonly Case[] = [
  one('HTTP/1.0 is not taken', [head('GET /echo HTTP/1.0', 'host: test.example')], {
    status: 426,
    connection: 'closed',
    log: / 426 DPE low_version /,
    upstream: 'nothing',
  }),
  one('HTTP/1.0 without a host', [head('GET /echo HTTP/1.0')], { status: 426 }),
  one('HTTP/1.1 without a host', [head('GET /echo HTTP/1.1')], {
    status: 400,
    log: / 400 - missing_host_header /,
  }),
  one('an empty host', [head('GET /echo HTTP/1.1', 'host:', 'x-test: @ID@')], { status: 404 }),
  one('HTTP/2.0 in the request line', [head('GET /echo HTTP/2.0', 'host: test.example')], { status: 426 }),
  one('HTTP/1.2 in the request line', [head('GET /echo HTTP/1.2', 'host: test.example')], { status: 426 }),
];

const targets: readonly Case[] = [
  one(
    'absolute-form target',
    [head('GET http://test.example/echo/abs?q HTTP/1.1', 'host: ignored.example', 'x-test: @ID@')],
    {
      status: 200,
      upstream: [echoed('/echo/abs\\?q'), /host: test\.example/],
    },
  ),
  one('absolute-form target without a path', [head('GET http://test.example HTTP/1.1', 'host: a')], {
    status: 200,
  }),
  one('absolute-form target of https', [head('GET https://test.example/echo HTTP/1.1', 'host: a')], {
    status: 403,
    log: / 403 DPE http1\.https_url_on_plaintext_connection /,
  }),
  one('absolute-form target of another scheme', [head('GET ftp://test.example/echo HTTP/1.1', 'host: a')], {
    status: 400,
    log: / 400 DPE http1\.invalid_scheme /,
  }),
  one('OPTIONS *', [head('OPTIONS * HTTP/1.1', 'host: test.example')], { status: 404 }, ['OPTIONS']),
  one(
    'CONNECT without a matching route',
    [head('CONNECT test.example:80 HTTP/1.1', 'host: test.example:80')],
    { status: 404 },
    ['CONNECT'],
  ),
  one('fragment in the target', [get('/echo/a#frag')], {
    status: 400,
    log: / 400 - path_normalization_failed /,
    stats: { 'http.main.downstream_rq_failed_path_normalization': 1 },
  }),
  one('path with a space', [head('GET /a b HTTP/1.1', 'host: test.example')], {
    status: 400,
    log: / 400 DPE http1\.codec_error /,
    stats: { 'http.main.downstream_cx_protocol_error': 1 },
  }),
  one('a path without a slash', [head('GET echo HTTP/1.1', 'host: test.example')], { status: 400 }),
  one('a path with bytes above ASCII', [head('GET /echo/\xe4 HTTP/1.1', 'host: test.example')], {
    status: 400,
  }),
  one('a path with a NUL in per cents', [get('/echo/%00')], { status: 400 }),
  one('a path with half a per cent', [get('/echo/%2')], { status: 200, upstream: echoed('/echo/%2') }),
  one('a backslash in the path', [get('/echo\\x')], { upstream: echoed('/echo/x') }),
];

const methods: readonly Case[] = [
  one('unknown method', [request('PURGE', '/echo')], { status: 200, upstream: /^a\| PURGE \/echo/ }, [
    'PURGE',
  ]),
  one('a method in small letters', [request('get', '/echo')], { status: 400, upstream: 'nothing' }),
  one('TRACE', [request('TRACE', '/echo')], { status: 200 }, ['TRACE']),
  one('PATCH with a body', [request('PATCH', '/echo', ['content-length: 1'], 'x')], { status: 200 }, [
    'PATCH',
  ]),
  one('DELETE without a body', [request('DELETE', '/echo')], { status: 200 }, ['DELETE']),
];

const headers: readonly Case[] = [
  one(
    'hop-by-hop headers of the request',
    [
      get(
        '/echo',
        'connection: x-mine, keep-alive',
        'x-mine: 1',
        'keep-alive: 5',
        'te: trailers, gzip',
        'proxy-connection: x',
      ),
    ],
    { status: 200, never: [/x-mine/, /keep-alive/, /proxy-connection/], upstream: /te: trailers$/ },
    ['GET'],
    'headers',
  ),
  one(
    'headers with odd but legal names and values',
    [get('/echo', 'X_Under: a', "x-!#$%&'*+.^`|~: ok", 'x-empty:', 'x-space:   a  b  ')],
    { status: 200, upstream: [/x_under: a/, /x-space: a {2}b$/, /x-empty: $/] },
  ),
  one('bytes above ASCII in a value', [get('/echo', 'x-high: \xe4\xff')], { upstream: /x-high: \xe4\xff/ }),
  one('a tab in a value', [get('/echo', 'x-tab: a\tb')], { upstream: /x-tab: a\tb/ }),
  one('headers that repeat stay apart', [get('/echo', 'x-a: 1', 'x-a: 2')], {
    upstream: /x-a: 1\na\| x-a: 2/,
  }),
  one('cookies that repeat', [get('/echo', 'cookie: a=1', 'cookie: b=2')], {
    upstream: /cookie: a=1\na\| cookie: b=2/,
  }),
  one('random headers', [({ draw, id }) => drawnHeaders(draw.int(1, 60), (n) => draw.token(n), id)], {
    status: 200,
  }),
  one('upgrade that no route allows', [get('/echo', 'connection: upgrade', 'upgrade: websocket')], {
    status: 403,
    log: / 403 - upgrade_failed /,
    stats: { 'http.main.downstream_rq_ws_on_non_ws_route': 1 },
  }),
];

function drawnHeaders(count: number, token: (length: number) => string, id: string): string {
  const lines = Array.from({ length: count }, (_, at) => `x-${token(6)}-${at}: ${token(1 + (at % 40))}`);
  return head('GET /echo HTTP/1.1', 'host: test.example', `x-test: ${id}`, ...lines);
}

const forwarded: readonly Case[] = [
  one(
    'x-forwarded-for is appended',
    [get('/echo', 'x-forwarded-for: 10.0.0.1')],
    { upstream: /x-forwarded-for: 10\.0\.0\.1,/ },
    ['GET'],
    'headers',
  ),
  one(
    'internal headers from outside are removed',
    [
      get(
        '/echo',
        'x-envoy-internal: true',
        'x-envoy-expected-rq-timeout-ms: 1',
        'x-envoy-original-path: /x',
      ),
    ],
    { never: [/x-envoy-internal/, /timeout-ms: 1$/, /original-path/] },
    ['GET'],
    'headers',
  ),
  one(
    'x-request-id from outside is replaced',
    [get('/echo', 'x-request-id: mine')],
    { upstream: /x-request-id: UUID/ },
    ['GET'],
    'headers',
  ),
];

export const groups: readonly Group[] = [
  mainGroup('http1 messages', [
    ...bodies,
    ...order,
    ...versions,
    ...targets,
    ...methods,
    ...headers,
    ...forwarded,
  ]),
];

if (import.meta.main) compare(groups);
