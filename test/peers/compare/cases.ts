/** The requests that Heddle and Envoy must answer alike. Each goes over a connection of its own. */
import type { Backend } from './backend.ts';
import type { Step } from './client.ts';

export interface CompareCase {
  readonly name: string;
  readonly listener: 'main' | 'impatient';
  readonly steps: readonly Step[] | ((backend: Backend, id: string) => readonly Step[]);
  /** Methods of the requests the connection carries; absent: one GET. */
  readonly methods?: readonly string[];
  /** The access-log line is not compared, with the reason. */
  readonly logMayDiffer?: string;
}

/** Stands for the name of the case in a request. */
export const TEST_ID = '@ID@';

const lines = (...all: string[]): string => `${all.join('\r\n')}\r\n\r\n`;

function get(path: string, ...headers: string[]): string {
  return lines(`GET ${path} HTTP/1.1`, 'host: test.example', `x-test: ${TEST_ID}`, ...headers);
}

function request(method: string, path: string, headers: readonly string[], body = ''): string {
  return lines(`${method} ${path} HTTP/1.1`, 'host: test.example', `x-test: ${TEST_ID}`, ...headers) + body;
}

/** One GET over one connection. */
function simple(name: string, path: string, ...headers: string[]): CompareCase {
  return { name, listener: 'main', steps: [get(path, ...headers)] };
}

const routing: readonly CompareCase[] = [
  simple('plain GET', '/echo'),
  simple('path and query reach the upstream', '/echo/a/b?c=d&e'),
  {
    name: 'no route: unknown host',
    listener: 'main',
    steps: [lines('GET / HTTP/1.1', 'host: other.example')],
  },
  {
    name: 'host with a port',
    listener: 'main',
    steps: [lines('GET /echo HTTP/1.1', 'host: test.example:8080')],
  },
  { name: 'host in capitals', listener: 'main', steps: [lines('GET /echo HTTP/1.1', 'host: TEST.example')] },
  { name: 'wildcard host', listener: 'main', steps: [lines('GET /x HTTP/1.1', 'host: a.b.wild.example')] },
  {
    name: 'wildcard does not match its own suffix',
    listener: 'main',
    steps: [lines('GET /x HTTP/1.1', 'host: wild.example')],
  },
  {
    name: 'require_tls redirects',
    listener: 'main',
    steps: [lines('GET /a?b HTTP/1.1', 'host: secure.example')],
  },
  simple('direct response', '/direct'),
  {
    name: 'direct response to HEAD',
    listener: 'main',
    methods: ['HEAD'],
    steps: [request('HEAD', '/direct', [])],
  },
  simple('redirect of the path', '/redirect/path/x?q=1'),
  simple('redirect of a prefix without the query', '/redirect/prefix/x?q=1'),
  simple('redirect to https, host and port', '/redirect/host/x?q=1'),
  simple('prefix rewrite', '/rewrite/prefix/rest?q=1'),
  simple('regex rewrite', '/rewrite/regex/42'),
  simple('regex matches the whole path only', '/rewrite/regex/42/more'),
  simple(
    'headers added, replaced, kept and removed',
    '/headers',
    'x-added: zero',
    'x-replaced: old',
    'x-kept: mine',
    'x-secret: s',
  ),
  simple('weighted clusters', '/weighted'),
  simple('cluster that does not exist', '/nowhere'),
  simple('query parameter matches', '/query?x=1'),
  simple('query parameter does not match', '/query?x=2'),
  simple('header matches', '/match', 'x-tier: gold-plus'),
  simple('inverted header match', '/match', 'x-tier: gold', 'x-not: here'),
  simple('host rewrite', '/host-rewrite'),
  simple('path separated prefix', '/separated/x'),
  simple('path separated prefix needs its separator', '/separatedx'),
  simple('case-insensitive path', '/cAsE'),
  simple('dot segments are removed', '/a/../echo/./x'),
  simple('slashes are merged', '/echo//x///y'),
  simple('escaped slashes stay', '/echo/a%2Fb%2e'),
];

const upstream: readonly CompareCase[] = [
  simple('retry after 503', '/retry'),
  simple('connect refused', '/refused'),
  simple('reset before the head', '/reset-before-head'),
  simple('closed before the head', '/end-before-head'),
  simple('upstream speaks no HTTP', '/garbage'),
  simple('route timeout', '/timeout'),
  {
    name: 'reset after the head',
    listener: 'main',
    steps: (backend, id) => [get('/partial'), { until: /partial$/ }, { act: () => backend.reset(id) }],
    methods: ['GET'],
    logMayDiffer:
      'Envoy calls the end of a body that is too short a protocol error (UPE); it was a reset (UC)',
  },
  simple('close-delimited response', '/close-delimited'),
  simple('HTTP/1.0 response', '/http10'),
  simple('chunked response', '/chunked'),
  simple('trailers of the response', '/trailers'),
  simple('both lengths in a response', '/both-lengths'),
  simple('204', '/status/204'),
  simple('304', '/status/304'),
  simple('500 passes through', '/status/500'),
  simple('early hints', '/continue'),
  simple('headers that repeat', '/multi'),
  simple('hop-by-hop headers of the response', '/hop'),
  { name: 'HEAD', listener: 'main', methods: ['HEAD'], steps: [request('HEAD', '/echo', [])] },
  {
    name: 'response before the body of the request',
    listener: 'main',
    steps: [request('POST', '/early', ['content-length: 10'], 'abc')],
    methods: ['POST'],
  },
];

const messages: readonly CompareCase[] = [
  {
    name: 'POST with a length',
    listener: 'main',
    steps: [request('POST', '/echo', ['content-length: 5'], 'hello')],
  },
  {
    name: 'chunked request',
    listener: 'main',
    steps: [
      request('POST', '/echo', ['transfer-encoding: chunked'], '5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n'),
    ],
  },
  {
    name: 'trailers of the request',
    listener: 'main',
    steps: [request('POST', '/echo', ['transfer-encoding: chunked'], '2\r\nhi\r\n0\r\nx-end: 1\r\n\r\n')],
  },
  {
    name: '100-continue',
    listener: 'main',
    steps: [
      request('POST', '/echo', ['content-length: 2', 'expect: 100-continue']),
      { until: /^HTTP\/1\.1 100 [^\r]*\r\n\r\n/ },
      'ok',
    ],
    methods: ['POST'],
  },
  {
    name: 'pipelined pair',
    listener: 'main',
    steps: [get('/echo/first') + get('/status/404')],
    methods: ['GET', 'GET'],
    logMayDiffer: 'two lines',
  },
  { name: 'HTTP/1.0 closes', listener: 'main', steps: [lines('GET /echo HTTP/1.0', 'host: test.example')] },
  { name: 'HTTP/1.0 without a host', listener: 'main', steps: [lines('GET /echo HTTP/1.0')] },
  { name: 'HTTP/1.1 without a host', listener: 'main', steps: [lines('GET /echo HTTP/1.1')] },
  {
    name: 'two hosts',
    listener: 'main',
    steps: [lines('GET /echo HTTP/1.1', 'host: test.example', 'host: b')],
  },
  {
    name: 'HTTP/2.0 in the request line',
    listener: 'main',
    steps: [lines('GET /echo HTTP/2.0', 'host: test.example')],
  },
  { name: 'connection: close is honoured', listener: 'main', steps: [get('/echo', 'connection: close')] },
  simple(
    'hop-by-hop headers of the request',
    '/echo',
    'connection: x-mine, keep-alive',
    'x-mine: 1',
    'keep-alive: 5',
    'te: trailers, gzip',
    'proxy-connection: x',
  ),
  simple('x-forwarded-for is appended', '/echo', 'x-forwarded-for: 10.0.0.1'),
  simple(
    'internal headers from outside are removed',
    '/echo',
    'x-envoy-internal: true',
    'x-envoy-expected-rq-timeout-ms: 1',
    'x-envoy-original-path: /x',
  ),
  simple('x-request-id from outside is replaced', '/echo', 'x-request-id: mine'),
  simple(
    'headers with odd but legal names and values',
    '/echo',
    'X_Under: a',
    "x-!#$%&'*+.^`|~: ok",
    'x-empty:',
    'x-space:   a  b  ',
  ),
  {
    name: 'absolute-form target',
    listener: 'main',
    steps: [lines('GET http://test.example/echo/abs?q HTTP/1.1', 'host: ignored.example')],
  },
  {
    name: 'OPTIONS *',
    listener: 'main',
    methods: ['OPTIONS'],
    steps: [lines('OPTIONS * HTTP/1.1', 'host: test.example')],
  },
  {
    name: 'CONNECT without a matching route',
    listener: 'main',
    methods: ['CONNECT'],
    steps: [lines('CONNECT test.example:80 HTTP/1.1', 'host: test.example:80')],
  },
  { name: 'unknown method', listener: 'main', methods: ['PURGE'], steps: [request('PURGE', '/echo', [])] },
  { name: 'empty lines before the request', listener: 'main', steps: [`\r\n\r\n${get('/echo')}`] },
  {
    name: 'upgrade that no route allows',
    listener: 'main',
    steps: [get('/echo', 'connection: upgrade', 'upgrade: websocket')],
  },
  { name: 'fragment in the target', listener: 'main', steps: [get('/echo/a#frag')] },
];

const malformed: readonly CompareCase[] = [
  { name: 'oversized head', listener: 'main', steps: [get('/echo', `x-big: ${'a'.repeat(70_000)}`)] },
  {
    name: 'too many headers',
    listener: 'main',
    steps: [get('/echo', ...Array.from({ length: 120 }, (_, i) => `x-h${i}: v`))],
  },
  {
    name: 'both length headers',
    listener: 'main',
    steps: [request('POST', '/echo', ['content-length: 5', 'transfer-encoding: chunked'], '0\r\n\r\n')],
  },
  {
    name: 'two lengths',
    listener: 'main',
    steps: [request('POST', '/echo', ['content-length: 5', 'content-length: 6'], 'hello')],
  },
  {
    name: 'length that is no number',
    listener: 'main',
    steps: [request('POST', '/echo', ['content-length: +5'], 'hello')],
  },
  { name: 'bare LF', listener: 'main', steps: ['GET /echo HTTP/1.1\nhost: test.example\n\n'] },
  {
    name: 'bad chunk size',
    listener: 'main',
    steps: [request('POST', '/echo', ['transfer-encoding: chunked'], 'zz\r\nhello\r\n0\r\n\r\n')],
  },
  {
    name: 'unknown transfer coding',
    listener: 'main',
    steps: [request('POST', '/echo', ['transfer-encoding: gzip'], '')],
  },
  { name: 'obsolete line folding', listener: 'main', steps: [get('/echo', 'x-a: 1\r\n 2')] },
  { name: 'space before the colon', listener: 'main', steps: [get('/echo', 'x-a : 1')] },
  { name: 'NUL in a value', listener: 'main', steps: [get('/echo', 'x-a: a\0b')] },
  { name: 'no request at all', listener: 'main', steps: ['hello\r\n\r\n'] },
  { name: 'path with a space', listener: 'main', steps: [lines('GET /a b HTTP/1.1', 'host: test.example')] },
];

const timing: readonly CompareCase[] = [
  { name: 'stream idle timeout', listener: 'impatient', steps: [get('/slow')] },
  { name: 'connection idle timeout', listener: 'impatient', methods: ['GET', 'GET'], steps: [get('/echo')] },
];

export const cases: readonly CompareCase[] = [...routing, ...upstream, ...messages, ...malformed, ...timing];
