/** CONNECT: tunnels that end here, that go on, and that nobody allows. */
import { onHttp1, onHttp2 } from './backend/exchange.ts';
import { http1 as http1Backend } from './backend/http1.ts';
import { http2 as http2Backend } from './backend/http2.ts';
import { tcp as tcpBackend } from './backend/tcp.ts';
import { bootstrap, cluster, httpListener, type Message, protocolOptions } from './harness/bootstrap.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { dataFrame, headersFrame, rstStream } from './wire/h2-frames.ts';
import { type Http1Options, head, http1, type Step } from './wire/http1.ts';
import { type H2Step, type Http2Options, http2 } from './wire/http2.ts';

const row = (
  name: string,
  steps: readonly Step[],
  expect: Expectation,
  more: Partial<Case> = {},
  options: Http1Options = { raw: true },
): Case => ({
  ...{ name: `CONNECT: ${name}`, covers: 'http1', expect, logLines: 1 },
  play: http1(steps, options),
  ...more,
});

const to = (target: string, ...headers: readonly string[]): string =>
  head(`CONNECT ${target} HTTP/1.1`, `host: ${target}`, 'x-test: @ID@', ...headers);
const accepted: Step = { until: /^HTTP\/1\.1 200[\s\S]*\r\n\r\n/ };
const connect = { methods: ['CONNECT'] };

const http: readonly Case[] = [
  row('to TCP', [to('test.example:80'), accepted, 'hello', { until: /echo hello/ }, { end: true }], {
    client: [/HTTP\/1\.1 200 OK/, /echo hello/],
    upstream: /tcp\| "hello" end/,
    log: /"CONNECT - HTTP\/1\.1" test\.example:80 200 DC downstream_remote_disconnect /,
    never: /transfer-encoding|content-length/,
  }),
  row(
    'bytes before it is accepted',
    [`${to('test.example:80')}hello`, { until: /echo hello/ }, { end: true }],
    { client: /echo hello/ },
  ),
  row('the upstream ends', [to('test.example:80'), accepted, 'end'], { client: /200 OK/ }),
  row(
    'the upstream cannot be reached',
    [to('nobody.example:80')],
    { status: 503, log: / 503 UF / },
    {},
    connect,
  ),
  row(
    'passed on to HTTP/1',
    [to('http1.example:80'), accepted, 'hello', { until: /answered/ }, { end: true }],
    {
      client: /answered/,
      upstream: [/^a\| CONNECT http1\.example:80 HTTP\/1\.1/, /tunnel: "hello"/],
    },
    {
      answers: {
        a: onHttp1(async (x) => {
          x.write('HTTP/1.1 200 OK\r\n\r\n');
          const t = x.tunnel();
          await t.until(/hello/);
          t.write('answered');
          await t.until(/never/);
          t.end();
        }),
      },
    },
  ),
  row(
    'passed on and refused',
    [to('http1.example:80')],
    { status: 403 },
    { answers: { a: onHttp1((x) => x.write('HTTP/1.1 403 No\r\ncontent-length: 2\r\n\r\nno')) } },
    connect,
  ),
  row(
    'passed on to HTTP/2',
    [to('http2.example:80'), accepted, 'hello', { until: /answered/ }, { end: true }],
    {
      client: /answered/,
      upstream: [/:method: CONNECT/, /:authority: http2\.example:80/, /data: "hello"/],
      never: /^h2\| :(?:path|scheme)/,
    },
    {
      answers: {
        h2: onHttp2(async ({ peer, stream, received, body }) => {
          peer.headers(stream, [[':status', '200']]);
          await received(5);
          peer.data(stream, 'answered');
          await body();
          peer.data(stream, '', true);
        }),
      },
    },
  ),
  row(
    'without a port',
    [to('test.example')],
    { status: 400, log: / 400 DPE http1\.invalid_url / },
    {},
    connect,
  ),
  row('an unknown host', [to('unknown.example:80')], { status: 404 }, {}, connect),
  row(
    'where it is not allowed',
    [to('test.example:80')],
    { status: 404, log: / 404 NR route_not_found / },
    { on: 'off' },
    connect,
  ),
  row(
    'off on the route',
    [to('off.example:80')],
    { status: 403, log: / 403 - upgrade_failed / },
    {},
    connect,
  ),
  row(
    'passed on to HTTP/1, bytes before it is accepted',
    [`${to('http1.example:80')}hello`, { until: /answered/ }, { end: true }],
    { upstream: /tunnel: "hello"/ },
    {
      answers: {
        a: onHttp1(async (x) => {
          x.write('HTTP/1.1 200 OK\r\n\r\n');
          const t = x.tunnel();
          await t.until(/hello/);
          t.write('answered');
        }),
      },
    },
  ),
  row(
    'with a content-length',
    [`${to('test.example:80', 'content-length: 3')}abc`],
    { status: 400, log: / 400 DPE http1\.body_disallowed / },
    {},
    connect,
  ),
  row(
    'with chunks',
    [`${to('test.example:80', 'transfer-encoding: chunked')}0\r\n\r\n`],
    { status: 501 },
    {},
    connect,
  ),
  row(
    'a path instead of an authority',
    [head('CONNECT /path HTTP/1.1', 'host: test.example', 'x-test: @ID@')],
    { status: 400, log: / 400 DPE http1\.invalid_url / },
    {},
    connect,
  ),
  row(
    'to an IPv6 address',
    [to('[::1]:80'), accepted, 'hello', { until: /echo hello/ }, { end: true }],
    { client: /echo hello/ },
    { covers: 'ipv6' },
  ),
  row(
    'to POST',
    [
      head('POST / HTTP/1.1', 'host: post.example', 'x-test: @ID@', 'transfer-encoding: chunked'),
      '5\r\nhello\r\n',
      { until: /echo hello/ },
      '0\r\n\r\n',
    ],
    { client: /echo hello/ },
    {},
  ),
];

const h2Connect =
  (authority: string) =>
  ({ id }: { readonly id: string }): Buffer =>
    headersFrame(1, [
      [':method', 'CONNECT'],
      [':authority', authority],
      ['x-test', id],
    ]);
const opened: H2Step = { until: (peer) => peer.stream(1).status === 200 };

const h2Row = (
  name: string,
  steps: readonly H2Step[],
  expect: Expectation,
  options: Http2Options = {},
  more: Partial<Case> = {},
): Case => ({
  ...{ name: `CONNECT over HTTP/2: ${name}`, covers: 'http2', expect, on: 'h2', logLines: 1 },
  play: http2(steps, options),
  ...more,
});

const h2: readonly Case[] = [
  h2Row(
    'to TCP',
    [
      h2Connect('test.example:80'),
      opened,
      dataFrame(1, 'hello'),
      { until: (peer) => peer.stream(1).data.includes('echo hello') },
      dataFrame(1, '', true),
    ],
    {
      status: 200,
      connection: 'open',
      client: /echo hello/,
      upstream: /tcp\| "hello" end/,
    },
  ),
  h2Row(
    'the client resets',
    [
      h2Connect('test.example:80'),
      opened,
      dataFrame(1, 'hello'),
      { until: (peer) => peer.stream(1).data !== '' },
      rstStream(1, 8),
    ],
    { connection: 'open' },
    { streams: [] },
  ),
  h2Row(
    'the upstream ends',
    [
      h2Connect('test.example:80'),
      opened,
      dataFrame(1, 'end'),
      { until: (peer) => peer.stream(1).ended },
      dataFrame(1, '', true),
    ],
    { status: 200 },
  ),
  h2Row('the upstream cannot be reached', [h2Connect('nobody.example:80')], { status: 503 }),
  h2Row(
    'passed on to HTTP/1',
    [
      h2Connect('http1.example:80'),
      opened,
      dataFrame(1, 'hello'),
      { until: (peer) => peer.stream(1).data !== '' },
      dataFrame(1, '', true),
    ],
    { client: /answered/, upstream: /^a\| CONNECT http1\.example:80 HTTP\/1\.1/ },
    {},
    {
      answers: {
        a: onHttp1(async (x) => {
          x.write('HTTP/1.1 200 OK\r\n\r\n');
          const t = x.tunnel();
          await t.until(/hello/);
          t.write('answered');
          await t.until(/never/);
          t.end();
        }),
      },
    },
  ),
  h2Row(
    'where it is not allowed',
    [h2Connect('test.example:80')],
    { status: 404, connection: 'open' },
    {},
    { on: 'h2-off' },
  ),
  h2Row('off on the route', [h2Connect('off.example:80')], { status: 403, log: / upgrade_failed / }),
  h2Row(
    'an empty authority',
    [h2Connect('')],
    { connection: 'closed', log: / 0 DPE http2\.invalid\.header\.field / },
    { streams: [] },
  ),
];

const hosts: readonly Message[] = [
  ['test', 'tcp', true],
  ['nobody', 'nobody', true],
  ['http1', 'a', false],
  ['http2', 'h2', false],
].map(([name, to, ends]) => ({
  name,
  domains:
    name === 'test'
      ? ['test.example', 'test.example:*', '[::1]:*']
      : [`${name}.example`, `${name}.example:*`],
  routes: [
    {
      match: { connect_matcher: {} },
      route: {
        cluster: to,
        upgrade_configs: [{ upgrade_type: 'CONNECT', ...(ends ? { connect_config: {} } : {}) }],
      },
    },
    { match: { prefix: '/' }, route: { cluster: 'a' } },
  ],
}));
const off: Message = {
  name: 'off',
  domains: ['off.example:*'],
  routes: [
    {
      match: { connect_matcher: {} },
      route: { cluster: 'tcp', upgrade_configs: [{ upgrade_type: 'CONNECT', enabled: false }] },
    },
  ],
};
const post: Message = {
  name: 'post',
  domains: ['post.example'],
  routes: [
    {
      match: { prefix: '/' },
      route: {
        cluster: 'tcp',
        upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: { allow_post: true } }],
      },
    },
  ],
};

export const groups: readonly Group[] = [
  {
    name: 'CONNECT',
    backends: { a: http1Backend(), h2: http2Backend(), tcp: tcpBackend() },
    bootstrap: ({ ports }) => {
      const on: Message = { upgrade_configs: [{ upgrade_type: 'CONNECT' }] };
      const options: Message = { http2_protocol_options: { allow_connect: true } };
      return bootstrap(
        [
          httpListener('main', { hosts: [...hosts, off, post], hcm: on }),
          httpListener('off', {}),
          httpListener('h2', { codec: 'HTTP2', hosts: [...hosts, off, post], hcm: { ...on, ...options } }),
          httpListener('h2-off', { codec: 'HTTP2' }),
        ],
        [
          cluster('a', [ports.a!]),
          cluster('h2', [ports.h2!], protocolOptions({ explicit_http_config: options })),
          cluster('tcp', [ports.tcp!]),
          cluster('nobody', [
            { endpoint: { address: { socket_address: { address: '127.255.255.253', port_value: 1 } } } },
          ]),
        ],
      );
    },
    cases: [...http, ...h2],
  },
];

if (import.meta.main) compare(groups);
