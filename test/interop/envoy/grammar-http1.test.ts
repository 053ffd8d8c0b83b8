/** Bytes that are no HTTP/1, or nearly none: injected line ends, bare CR and LF, chunks with tricks, odd hosts. */
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { mainGroup } from './harness/main-group.ts';
import type { Topic } from './harness/topics.ts';
import { get, head, http1, request, type Step } from './wire/http1.ts';

const row =
  (covers: Topic, methods: readonly string[] = ['GET']) =>
  (name: string, steps: readonly Step[], expect: Expectation): Case => ({
    ...{ name, covers, expect },
    play: http1(steps, { methods, whole: true }),
  });

const refused = (details: string): Expectation => ({
  status: 400,
  connection: 'closed',
  log: new RegExp(` 400 DPE ${details.replace('.', '\\.')} `),
  stats: { 'http.main.downstream_cx_protocol_error': 1 },
});
const codecError = refused('http1.codec_error');

const injected = row('crlf');
const crlf: readonly Case[] = [
  injected('CR LF in a value is the end of its line', [get('/echo', 'x-a: 1\r\nx-injected: 2')], {
    status: 200,
    upstream: /^a\| x-injected: 2/,
  }),
  injected('CR LF in per cents in the path stays there', [get('/echo/%0d%0ax-injected:%202')], {
    status: 200,
    never: /^a\| x-injected/,
  }),
  injected('CR LF in the target', ['GET /echo\r\nx-injected: 1 HTTP/1.1\r\nhost: test.example\r\n\r\n'], {
    status: 426,
    upstream: 'nothing',
  }),
  injected('CR LF in per cents in the query', [get('/echo?x=%0d%0aset-cookie:%20a')], {
    status: 200,
    never: /^set-cookie/,
  }),
  injected('CR LF in per cents in a redirect', [get('/redirect/path?x=%0d%0aset-cookie:%20a')], {
    status: 302,
    client: /location: .*%0d%0aset-cookie/,
    never: /^set-cookie/,
  }),
  injected('CR LF in the method', ['GE\r\nT /echo HTTP/1.1\r\nhost: test.example\r\n\r\n'], codecError),
  injected(
    'CR LF before the colon',
    [head('GET /echo HTTP/1.1', 'host: test.example', 'x-a\r\n: 1')],
    codecError,
  ),
];

const bare = row('bare-cr-lf');
const bareLineEnds: readonly Case[] = [
  bare('bare LF', ['GET /echo HTTP/1.1\nhost: test.example\nx-test: @ID@\n\n'], {
    status: 200,
    connection: 'open',
  }),
  bare('bare LF after the request line', ['GET /echo HTTP/1.1\nhost: test.example\r\nx-test: @ID@\r\n\r\n'], {
    status: 200,
  }),
  bare(
    'bare LF between headers',
    [head('GET /echo HTTP/1.1', 'host: test.example', 'x-test: @ID@\nx-b: 1')],
    { status: 200 },
  ),
  bare('bare LF that ends the head', ['GET /echo HTTP/1.1\r\nhost: test.example\r\nx-test: @ID@\r\n\n'], {
    status: 200,
  }),
  bare('bare CR in a value is left out', [get('/echo', 'x-a: 1\rx-injected: 2')], {
    status: 200,
    upstream: /x-a: 1x-injected: 2$/,
    never: /<0d>/,
  }),
  bare('bare CR that ends a line', ['GET /echo HTTP/1.1\rhost: test.example\r\n\r\n'], codecError),
  bare('bare CR in the target', ['GET /ec\rho HTTP/1.1\r\nhost: test.example\r\n\r\n'], codecError),
  bare('two CRs before the LF', [get('/echo', 'x-a: 1\r')], {
    status: 200,
    upstream: /x-a: 1$/,
    never: /<0d>/,
  }),
  bare('bare CR in a name', [get('/echo', 'x\ra: 1')], codecError),
  bare('NUL in a value', [get('/echo', 'x-a: a\0b')], refused('http1.invalid_characters')),
  bare(
    'obsolete line folding',
    [head('GET /echo HTTP/1.1', 'host: test.example', 'x-test: @ID@', 'x-a: 1\r\n 2')],
    {
      status: 200,
      upstream: /x-a: 1 +2/,
    },
  ),
  bare('line folding of the first header', [head('GET /echo HTTP/1.1', ' host: test.example')], codecError),
  bare('space before the colon', [get('/echo', 'x-a : 1')], codecError),
  bare('a line without a colon', [get('/echo', 'x-a')], codecError),
  bare('a header without a name', [get('/echo', ': x')], codecError),
];

const chunk = row('chunk-extension', ['POST']);
const chunked = (name: string, body: string, expect: Expectation): Case =>
  chunk(
    name,
    [
      head('POST /echo HTTP/1.1', 'host: test.example', 'x-test: @ID@', 'transfer-encoding: chunked'),
      // Whether an upstream gets to see a head together with a bad chunk is a matter of its connection.
      { saw: /POST \/echo/ },
      body,
    ],
    expect,
  );
const taken = (text: string): Expectation => ({
  status: 200,
  connection: 'open',
  upstream: new RegExp(`body by chunked: "${text}"`),
  never: /^a\| chunk extension/,
});
const badChunk: Expectation = { ...codecError, upstream: [/body so far: ""/, /cut off/] };
const extensions: readonly Case[] = [
  chunked('a chunk extension', '3;a=b\r\nabc\r\n0\r\n\r\n', taken('abc')),
  chunked('a chunk extension with quotes', '3;a="b;\\"c"\r\nabc\r\n0\r\n\r\n', taken('abc')),
  chunked('a chunk extension on the last chunk', '3\r\nabc\r\n0;x=y\r\n\r\n', taken('abc')),
  chunked('an extension that ends with a bare LF', '3;a\nabc\r\n0\r\n\r\n', badChunk),
  chunked('an extension with a bare CR', '3;a\rb\r\nabc\r\n0\r\n\r\n', badChunk),
  chunked('an extension with a NUL', '3;a\0\r\nabc\r\n0\r\n\r\n', taken('abc')),
  chunked('an extension of 20,000 bytes', `3;${'a'.repeat(20_000)}\r\nabc\r\n0\r\n\r\n`, taken('abc')),
  chunked('a chunk size that is no number', 'zz\r\nhello\r\n0\r\n\r\n', badChunk),
  chunked('a chunk size with 0x', '0x3\r\nabc\r\n0\r\n\r\n', badChunk),
  chunked('a chunk size with a sign', '+3\r\nabc\r\n0\r\n\r\n', badChunk),
  chunked('a chunk size with a space before it', ' 3\r\nabc\r\n0\r\n\r\n', badChunk),
  chunked('a chunk size with a space after it', '3 \r\nabc\r\n0\r\n\r\n', taken('abc')),
  chunked('a chunk size with a tab after it', '3\t\r\nabc\r\n0\r\n\r\n', taken('abc')),
  chunked('a chunk size with leading zeros', '0000003\r\nabc\r\n0\r\n\r\n', taken('abc')),
  chunked('a chunk size beyond 64 bits', '10000000000000003\r\nabc\r\n0\r\n\r\n', badChunk),
  chunked('a chunk size in capitals', 'A\r\n0123456789\r\n0\r\n\r\n', taken('0123456789')),
  chunked('an empty chunk size', '\r\nabc\r\n0\r\n\r\n', badChunk),
  chunked('a chunk that ends with a bare LF', '3\r\nabc\n0\r\n\r\n', taken('abc')),
  chunked('a chunk that is longer than its size', '3\r\nabcd\r\n0\r\n\r\n', taken('abc')),
  chunked('a size line with a bare LF', '3\nabc\r\n0\r\n\r\n', badChunk),
  chunked('a last chunk with bare LFs', '3\r\nabc\r\n0\n\n', {
    ...badChunk,
    upstream: [/body so far: "abc"/, /cut off/],
  }),
  chunked('a bad trailer', '3\r\nabc\r\n0\r\nx y: 1\r\n\r\n', {
    ...badChunk,
    upstream: [/body so far: "abc"/, /cut off/],
  }),
  chunked('a trailer that is a length', '3\r\nabc\r\n0\r\ncontent-length: 5\r\n\r\n', taken('abc')),
];

const hosts = row('host-authority');
const authority: readonly Case[] = [
  hosts('two hosts', [head('GET /echo HTTP/1.1', 'host: test.example', 'host: b', 'x-test: @ID@')], {
    status: 404,
  }),
  hosts(
    'the same host twice',
    [head('GET /echo HTTP/1.1', 'host: test.example', 'host: test.example', 'x-test: @ID@')],
    { status: 404, log: / test\.example,test\.example / },
  ),
  hosts(
    'the target has another host than the header',
    [head('GET http://other.example/echo HTTP/1.1', 'host: test.example', 'x-test: @ID@')],
    { status: 404, log: / other\.example / },
  ),
  hosts('a host with a user', [head('GET /echo HTTP/1.1', 'host: me@test.example', 'x-test: @ID@')], {
    status: 404,
    log: / me@test\.example /,
  }),
  hosts(
    'a host with a path',
    [head('GET /echo HTTP/1.1', 'host: test.example/x', 'x-test: @ID@')],
    refused('http.invalid_authority'),
  ),
  hosts(
    'a host with a space',
    [head('GET /echo HTTP/1.1', 'host: test.example b', 'x-test: @ID@')],
    refused('http.invalid_authority'),
  ),
  hosts('a host with a bad port', [head('GET /echo HTTP/1.1', 'host: test.example:99999', 'x-test: @ID@')], {
    status: 200,
    upstream: /host: test\.example:99999/,
  }),
  hosts(
    'a host with a letter as port',
    [head('GET /echo HTTP/1.1', 'host: test.example:x', 'x-test: @ID@')],
    { status: 200, upstream: /host: test\.example:x/ },
  ),
  hosts(
    'a list of hosts',
    [head('GET /echo HTTP/1.1', 'host: test.example, b', 'x-test: @ID@')],
    refused('http.invalid_authority'),
  ),
  hosts(
    'x-forwarded-host is not the host',
    [head('GET /echo HTTP/1.1', 'host: test.example', 'x-forwarded-host: other', 'x-test: @ID@')],
    { status: 200, upstream: [/host: test\.example/, /x-forwarded-host: other/] },
  ),
  hosts(
    'a target with a user',
    [head('GET http://me@test.example/echo HTTP/1.1', 'host: test.example', 'x-test: @ID@')],
    { status: 200, upstream: /host: test\.example$/ },
  ),
];

const malformed = row('malformed');
const broken: readonly Case[] = [
  malformed('oversized head', [get('/echo', `x-big: ${'a'.repeat(70_000)}`)], {
    status: 431,
    connection: 'closed',
  }),
  malformed('too many headers', [get('/echo', ...Array.from({ length: 120 }, (_, at) => `x-h${at}: v`))], {
    status: 431,
  }),
  malformed('no request at all', ['hello\r\n\r\n'], codecError),
  malformed('an oversized target', [head(`GET /${'a'.repeat(70_000)} HTTP/1.1`, 'host: test.example')], {
    status: 431,
    log: / http1\.headers_too_large /,
  }),
  malformed('TLS where plaintext is expected', ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'], codecError),
  malformed('HTTP/2 where HTTP/1 is expected', ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'], codecError),
  malformed('a name with a bad character', [get('/echo', 'x@a: 1')], codecError),
  malformed('two spaces in the request line', ['GET  /echo HTTP/1.1\r\nhost: test.example\r\n\r\n'], {
    status: 200,
    upstream: /GET \/echo HTTP/,
  }),
  malformed('a tab in the request line', ['GET\t/echo HTTP/1.1\r\nhost: test.example\r\n\r\n'], {
    status: 200,
    upstream: /GET \/echo HTTP/,
  }),
  malformed('HTTP/0.9', ['GET /echo\r\n\r\n'], { status: 426 }),
  malformed('a version in small letters', ['GET /echo http/1.1\r\nhost: test.example\r\n\r\n'], codecError),
  malformed(
    'a space before the request line',
    [' GET /echo HTTP/1.1\r\nhost: test.example\r\n\r\n'],
    codecError,
  ),
  malformed('unknown transfer coding', [request('POST', '/echo', ['transfer-encoding: gzip'])], {
    status: 501,
  }),
];

export const groups: readonly Group[] = [
  mainGroup('grammar of HTTP/1', [...crlf, ...bareLineEnds, ...extensions, ...authority, ...broken]),
];

if (import.meta.main) compare(groups);
