/** Targets of every form, and paths as the connection manager is told to read them. */
import { http1 as http1Backend } from './backend/http1.ts';
import { bootstrap, cluster, httpListener, type Message, route } from './harness/bootstrap.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, head, http1 } from './wire/http1.ts';
import { h2Get, http2 } from './wire/http2.ts';

const at = (listener: string, path: string, expect: Expectation): Case => ({
  ...{ name: `${listener}: ${path}`, covers: 'http1', on: listener, expect, table: 'paths' },
  play: http1([get(path)]),
});

const sent = (path: string): Expectation => ({
  status: 200,
  upstream: new RegExp(`^a\\| GET ${RegExp.escape(path)} HTTP/1.1$`),
});

const refused: Expectation = { status: 400, connection: 'closed', log: / 400 - path_normalization_failed / };

const paths: readonly Case[] = [
  at('as-is', '/a/../b', sent('/a/../b')),
  at('as-is', '/a//b', sent('/a//b')),
  at('as-is', '/a%2Fb', sent('/a%2Fb')),
  at('as-is', '/%61', sent('/%61')),
  at('as-is', '/a\\b', sent('/a\\b')),
  at('as-is', '/?a=../b', sent('/?a=../b')),
  at('as-is', '/#frag', refused),
  at('normal', '/a/../b', sent('/b')),
  at('normal', '/a/./b', sent('/a/b')),
  at('normal', '/../../b', sent('/b')),
  at('normal', '/a/%2e%2e/b', sent('/b')),
  at('normal', '/a/.%2E/b', sent('/b')),
  at('normal', '/a//b', sent('/a//b')),
  at('normal', '/a%2Fb', sent('/a%2Fb')),
  at('normal', '/%7Ea%41', sent('/~aA')),
  at('normal', '/a\\b', sent('/a/b')),
  at('normal', '/a%5Cb', sent('/a%5Cb')),
  at('normal', '/a%00b', refused),
  at('normal', '/%zz', sent('/%zz')),
  at('normal', '/%', sent('/%')),
  at('normal', '/a?b=../c//d', sent('/a?b=../c//d')),
  at('normal', '/a/..', sent('/')),
  at('normal', '/a/../', sent('/')),
  at('normal', '/..a', sent('/..a')),
  at('merged', '/a//b', sent('/a/b')),
  at('merged', '///a', sent('/a')),
  at('merged', '/a/?b=//c', sent('/a/?b=//c')),
  at('merged', '/a/../b', sent('/a/../b')),
  at('escaped-keep', '/a%2Fb', sent('/a%2Fb')),
  at('escaped-reject', '/a%2Fb', { status: 400 }),
  at('escaped-reject', '/a%5cb', { status: 400 }),
  at('escaped-reject', '/a?b=%2F', { status: 200 }),
  at('escaped-redirect', '/a%2Fb', { status: 307, client: /^location: / }),
  at('escaped-redirect', '/a/b', { status: 200 }),
  at('escaped-unescape', '/a%2Fb', sent('/a/b')),
  at('escaped-unescape', '/a%2F..%2Fb', sent('/b')),
  at('escaped-unescape', '/a%5Cb', sent('/a/b')),
  at('normal-merged', '/param;x=1', sent('/param;x=1')),
  at('normal-merged', '/x.y~-_!$&()*+,;=:@', sent('/x.y~-_!$&()*+,;=:@')),
];

const targets: readonly Case[] = [
  {
    name: 'absolute form on HTTP/2',
    covers: 'http1',
    on: 'as-is',
    play: http2([h2Get('/a/../b')]),
    expect: sent('/a/../b'),
  },
  {
    name: 'absolute form that is not allowed',
    covers: 'http1',
    on: 'relative',
    play: http1([head('GET http://test.example/abs HTTP/1.1', 'host: test.example', 'x-test: @ID@')]),
    expect: { status: 404, connection: 'open', log: / 404 - absolute_path_rejected / },
  },
  {
    name: 'absolute form with a port',
    covers: 'http1',
    on: 'as-is',
    play: http1([head('GET http://other.example:81/abs HTTP/1.1', 'host: test.example', 'x-test: @ID@')]),
    expect: { status: 200, upstream: [/^a\| GET \/abs HTTP/, /host: other\.example:81/] },
  },
  {
    name: 'absolute form with a query alone',
    covers: 'http1',
    on: 'as-is',
    play: http1([head('GET http://test.example?q=1 HTTP/1.1', 'host: test.example', 'x-test: @ID@')]),
    expect: { status: 404, log: /"GET \?q=1 HTTP.* 404 - absolute_path_rejected / },
  },
  {
    name: 'absolute form to an IPv6 host',
    covers: 'ipv6',
    on: 'as-is',
    play: http1([head('GET http://[::1]:81/abs HTTP/1.1', 'host: test.example', 'x-test: @ID@')]),
    expect: { status: 200, upstream: /host: \[::1\]:81/ },
  },
  {
    name: 'a host in brackets',
    covers: 'ipv6',
    on: 'as-is',
    play: http1([head('GET /abs HTTP/1.1', 'host: [::1]:8080', 'x-test: @ID@')]),
    expect: { status: 200, upstream: /host: \[::1\]:8080/ },
  },
  {
    name: 'a host in brackets that is no address',
    covers: 'ipv6',
    on: 'as-is',
    play: http1([head('GET /abs HTTP/1.1', 'host: [zz]', 'x-test: @ID@')]),
    expect: { status: 200, upstream: /host: \[zz\]/ },
  },
];

/** HTTP/1.0, keep-alive, case of names. */
const versions: readonly Case[] = [
  {
    name: 'HTTP/1.0 is answered in its way',
    covers: 'http1',
    on: 'old',
    play: http1([head('GET /echo HTTP/1.0', 'host: test.example', 'x-test: @ID@')]),
    expect: { status: 200, connection: 'closed', log: /HTTP\/1\.0" test\.example 200 / },
  },
  {
    name: 'HTTP/1.0 without a host gets the default one',
    covers: 'http1',
    on: 'old',
    play: http1([head('GET /echo HTTP/1.0', 'x-test: @ID@')]),
    expect: { status: 200, upstream: /host: default\.example/ },
  },
  {
    name: 'HTTP/1.0 with keep-alive',
    covers: 'http1',
    on: 'old',
    play: http1([head('GET /echo HTTP/1.0', 'host: a', 'connection: keep-alive', 'x-test: @ID@')]),
    expect: { status: 200, connection: 'open' },
  },
  {
    name: 'HTTP/1.0 gets no chunks',
    covers: 'http1',
    on: 'old',
    play: http1([head('GET /chunked HTTP/1.0', 'host: a', 'x-test: @ID@')]),
    expect: { status: 200, connection: 'closed', client: /body by close: "hello world"/ },
  },
  {
    name: 'HTTP/1.0 may send chunks',
    covers: 'http1',
    on: 'old',
    play: http1(
      [`${head('POST /echo HTTP/1.0', 'host: a', 'transfer-encoding: chunked', 'x-test: @ID@')}0\r\n\r\n`],
      { methods: ['POST'], whole: true },
    ),
    expect: { status: 200, connection: 'closed', upstream: /transfer-encoding: chunked/ },
  },
  {
    name: 'trailers on both ways when they are enabled',
    covers: 'http1',
    on: 'trailers',
    play: http1(
      [
        `${head('POST /trailers HTTP/1.1', 'host: a', 'transfer-encoding: chunked', 'x-test: @ID@')}1\r\na\r\n0\r\nx-end: 1\r\n\r\n`,
      ],
      { methods: ['POST'] },
    ),
    expect: { status: 200, upstream: /trailer x-end: 1/, client: /^trailer x-sum: 294/ },
  },
  {
    name: 'a forbidden trailer',
    covers: 'http1',
    on: 'trailers',
    play: http1(
      [
        `${head('POST /echo HTTP/1.1', 'host: a', 'transfer-encoding: chunked', 'x-test: @ID@')}1\r\na\r\n0\r\nhost: evil\r\ncontent-length: 5\r\n\r\n`,
      ],
      { methods: ['POST'] },
    ),
    expect: { status: 200, upstream: /body by chunked: "a"/ },
  },
  {
    name: 'names in proper case',
    covers: 'http1',
    on: 'proper',
    play: http1([get('/trailers-off', 'x-some-header: 1')]),
    expect: { client: [/^Content-Length: /, /^X-Envoy-Upstream-Service-Time: /] },
  },
  {
    name: 'names as the upstream wrote them',
    covers: 'http1',
    on: 'kept-case',
    play: http1([head('GET /multi HTTP/1.1', 'HoSt: a', 'X-TeSt: @ID@', 'x-SoMe: 1')]),
    expect: { client: /^X-MiXed: Case/ },
  },
  {
    name: 'names as the client wrote them',
    covers: 'http1',
    on: 'kept-case',
    play: http1([head('GET /kept HTTP/1.1', 'HoSt: a', 'X-TeSt: @ID@', 'x-SoMe: 1')]),
    expect: { upstream: /^a\| x-SoMe: 1/ },
  },
  {
    name: 'names in proper case towards the upstream',
    covers: 'http1',
    on: 'as-is',
    play: http1([get('/proper', 'x-some-header: 1')]),
    expect: { upstream: /^a\| X-Some-Header: 1/ },
  },
];

const manager = (name: string, hcm: Message): Message =>
  httpListener(name, {
    hcm,
    routes: [
      route('/proper', { cluster: 'proper' }),
      route('/kept', { cluster: 'kept' }),
      route('/multi', { cluster: 'kept' }),
      route('/trailers', { cluster: 'trailers' }),
      route('/'),
    ],
  });

const preserve: Message = {
  header_key_format: {
    stateful_formatter: {
      name: 'preserve_case',
      typed_config: {
        '@type':
          'type.googleapis.com/envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig',
      },
    },
  },
};
const properCase: Message = { header_key_format: { proper_case_words: {} } };

const http1Cluster = (name: string, port: number, options: Message): Message =>
  cluster(name, [port], {
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        explicit_http_config: { http_protocol_options: options },
      },
    },
  });

export const groups: readonly Group[] = [
  {
    name: 'paths and targets',
    backends: { a: http1Backend() },
    bootstrap: ({ ports }) =>
      bootstrap(
        [
          manager('as-is', {}),
          manager('relative', { http_protocol_options: { allow_absolute_url: false } }),
          manager('normal', { normalize_path: true }),
          manager('merged', { merge_slashes: true }),
          manager('escaped-keep', {
            path_with_escaped_slashes_action: 'KEEP_UNCHANGED',
            normalize_path: true,
          }),
          manager('escaped-reject', {
            path_with_escaped_slashes_action: 'REJECT_REQUEST',
            normalize_path: true,
          }),
          manager('escaped-redirect', {
            path_with_escaped_slashes_action: 'UNESCAPE_AND_REDIRECT',
            normalize_path: true,
          }),
          manager('escaped-unescape', {
            path_with_escaped_slashes_action: 'UNESCAPE_AND_FORWARD',
            normalize_path: true,
          }),
          manager('normal-merged', { normalize_path: true, merge_slashes: true }),
          manager('old', {
            http_protocol_options: { accept_http_10: true, default_host_for_http_10: 'default.example' },
          }),
          manager('trailers', { http_protocol_options: { enable_trailers: true } }),
          manager('proper', { http_protocol_options: properCase }),
          manager('kept-case', { http_protocol_options: preserve }),
        ],
        [
          cluster('a', [ports.a!]),
          http1Cluster('proper', ports.a!, properCase),
          http1Cluster('kept', ports.a!, preserve),
          http1Cluster('trailers', ports.a!, { enable_trailers: true }),
        ],
      ),
    cases: [...paths, ...targets, ...versions],
  },
];

if (import.meta.main) compare(groups);
