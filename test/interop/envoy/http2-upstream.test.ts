/** HTTP/2 towards upstreams: what they get, and what becomes of what they send, right and wrong. */
import { onHttp2 } from './backend/exchange.ts';
import { http1 as http1Backend } from './backend/http1.ts';
import { http2 as http2Backend } from './backend/http2.ts';
import { broken } from './cases/broken-http2-upstream.ts';
import { answered, cutOff, ok, row } from './cases/upstream-row.ts';
import { bootstrap, http2Cluster, httpListener, protocolOptions, route } from './harness/bootstrap.ts';
import type { Case, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { dataFrame, goAway, rstStream } from './wire/h2-frames.ts';
import { get, request } from './wire/http1.ts';
import { h2Get, h2Post, http2, sendBody } from './wire/http2.ts';

const conversions: readonly Case[] = [
  row('GET', [get('/echo/x?y')], {
    status: 200,
    upstream: [/^a\| :method: GET/, /:path: \/echo\/x\?y/, /:scheme: http$/, /:authority: test\.example/],
    never: /^a\| (?:connection|host|transfer-encoding)/,
    log: /"GET \/echo\/x\?y HTTP\/1\.1"/,
  }),
  row(
    'POST with a length',
    [request('POST', '/echo', ['content-length: 5'], 'hello')],
    { upstream: [/content-length: 5/, /data: "hello"/] },
    {},
    ['POST'],
  ),
  row(
    'chunks',
    [request('POST', '/echo', ['transfer-encoding: chunked'], '5\r\nhello\r\n0\r\n\r\n')],
    { upstream: /data: "hello"/, never: /transfer-encoding/ },
    {},
    ['POST'],
  ),
  row(
    'trailers of a request',
    [request('POST', '/echo', ['transfer-encoding: chunked'], '1\r\na\r\n0\r\nx-end: 1\r\n\r\n')],
    { status: 200, never: /x-end/ },
    {},
    ['POST'],
  ),
  row('trailers of a response', [get('/trailers')], {
    client: /body by chunked: "abc"/,
    never: /x-sum: 294/,
  }),
  row('a response without a length', [get('/length')], { client: /body by chunked: "0"/ }),
  row(
    'hop-by-hop headers',
    [get('/echo', 'connection: x-mine', 'x-mine: 1', 'keep-alive: 1', 'te: trailers')],
    { never: /x-mine/, upstream: /te: trailers/ },
  ),
  row('names in capitals', [get('/echo', 'X-UPPER: Value')], { upstream: /x-upper: Value/ }),
  row('cookies', [get('/echo', 'cookie: a=1; b=2')], { upstream: /cookie: a=1; b=2/ }),
  row('HEAD', [request('HEAD', '/status/200')], { status: 200, upstream: /:method: HEAD/ }, {}, ['HEAD']),
  row(
    'a large body',
    [
      ({ draw, id }) => {
        const n = draw.int(100_000, 300_000);
        return `POST /length HTTP/1.1\r\nhost: a\r\nx-test: ${id}\r\ncontent-length: ${n}\r\n\r\n${'x'.repeat(n)}`;
      },
    ],
    { status: 200 },
    {},
    ['POST'],
  ),
  row(
    'a large response',
    [get('/large')],
    { status: 200, client: /body by chunked: 200000 bytes/ },
    {
      answers: {
        a: onHttp2(({ peer, stream }) => {
          peer.headers(stream, [[':status', '200']]);
          return sendBody(peer, stream, 'y'.repeat(200_000));
        }),
      },
    },
  ),
  row(
    'http2 on both sides',
    [],
    { status: 200, upstream: /:path: \/echo/, log: /HTTP\/2/ },
    { play: http2([h2Get('/echo')]), covers: 'http2' },
  ),
  row(
    'a prior request on the same connection',
    [get('/echo/1'), get('/echo/2')],
    { status: [200, 200] },
    {},
    ['GET', 'GET'],
  ),
];

const interim: readonly Case[] = [
  answered(
    '103 before the response',
    (x) => {
      x.peer.headers(x.stream, [
        [':status', '103'],
        ['link', '</a>'],
      ]);
      ok(x);
    },
    { status: 200 },
  ),
  answered(
    '100 before the response',
    (x) => {
      x.peer.headers(x.stream, [[':status', '100']]);
      ok(x);
    },
    { status: 200 },
  ),
  answered(
    'trailers with grpc-status',
    (x) => {
      x.peer.headers(x.stream, [[':status', '200']]);
      x.peer.headers(x.stream, [['grpc-status', '0']], true);
    },
    { status: 200 },
  ),
  answered(
    'a response in its trailers alone',
    (x) =>
      x.peer.headers(
        x.stream,
        [
          [':status', '200'],
          ['x-only', '1'],
        ],
        true,
      ),
    { status: 200, client: /x-only: 1/ },
  ),
];

const remoteReset = [503, 'remote_reset'] as const;
/** Codes of RST_STREAM, and what comes of them. */
const resetCodes = {
  NO_ERROR: remoteReset,
  CANCEL: remoteReset,
  REFUSED_STREAM: [503, 'remote_refused_stream_reset'],
  INTERNAL_ERROR: remoteReset,
  PROTOCOL_ERROR: [502, 'protocol_error'],
  ENHANCE_YOUR_CALM: remoteReset,
  HTTP_1_1_REQUIRED: remoteReset,
} as const;

const resets: readonly Case[] = [
  ...Object.entries(resetCodes).map(
    ([code, [status, detail]]): Case =>
      row(
        `RST_STREAM with ${code}`,
        [get(`/reset/${code}`)],
        {
          status,
          connection: 'open',
          log: new RegExp(` ${status} U(?:R|PE) upstream_reset_before_response_started\\{${detail}\\} `),
        },
        { covers: 'http2', table: 'RST_STREAM of an upstream' },
      ),
  ),
  answered(
    'RST_STREAM after the head',
    (x) => {
      x.peer.headers(x.stream, [[':status', '200']]);
      x.peer.data(x.stream, 'part');
      x.peer.send(rstStream(x.stream, 2));
    },
    { ...cutOff, log: / 200 UR upstream_reset_after_response_started\{remote_reset\} / },
  ),
  answered(
    'RST_STREAM after a whole response',
    (x) => {
      ok(x);
      x.peer.send(rstStream(x.stream, 0));
    },
    { status: 200 },
  ),
  answered(
    'a reset of the connection',
    (x) => {
      (x.peer.socket as import('node:net').Socket).resetAndDestroy();
    },
    {
      status: 503,
      connection: 'open',
      log: / 503 UC upstream_reset_before_response_started\{connection_termination\} /,
    },
  ),
  answered(
    'the end of the connection',
    (x) => {
      x.peer.socket.end();
    },
    {
      status: 503,
      connection: 'open',
      log: / 503 UC upstream_reset_before_response_started\{connection_termination\} /,
    },
  ),
  answered(
    'GOAWAY that leaves the stream out',
    (x) => {
      x.peer.send(goAway(0, 0));
      x.peer.socket.end();
    },
    { status: 503, log: / 503 UR upstream_reset_before_response_started\{remote_refused_stream_reset\} / },
  ),
  answered(
    'GOAWAY that lets the stream be',
    (x) => {
      x.peer.send(goAway(x.stream, 0));
      ok(x);
    },
    { status: 200 },
  ),
  row(
    'REFUSED_STREAM is tried again',
    [get('/retry')],
    { status: 200 },
    {
      covers: 'http2',
      answers: {
        a: onHttp2((x) => {
          if (x.attempt < 2) x.peer.send(rstStream(x.stream, 7));
          else ok(x);
        }),
      },
    },
  ),
];

const streaming: readonly Case[] = [
  row(
    'an answer while the request comes',
    [],
    { status: 200 },
    {
      covers: 'http2',
      play: http2([
        h2Post('/both'),
        { until: (peer) => peer.stream(1).data.includes('first') },
        dataFrame(1, 'one'),
        { until: (peer) => peer.stream(1).data.includes('got one') },
        dataFrame(1, 'two', true),
      ]),
      answers: {
        a: onHttp2(async ({ peer, stream, received, body }) => {
          peer.headers(stream, [[':status', '200']]);
          peer.data(stream, 'first ');
          await received(3);
          peer.data(stream, 'got one ');
          await body();
          peer.data(stream, 'and all', true);
        }),
      },
    },
  ),
];

export const groups: readonly Group[] = [
  {
    name: 'http2 upstreams',
    backends: { a: http2Backend(), one: http2Backend({ settings: [[3, 1]] }), h1: http1Backend() },
    bootstrap: ({ ports }) =>
      bootstrap(
        [
          httpListener('main', {
            routes: [
              route('/retry', {
                retry_policy: {
                  retry_on: 'refused-stream',
                  num_retries: 1,
                  retry_back_off: { base_interval: '0.001s' },
                },
              }),
              route('/one', { cluster: 'one' }),
              route('/wrong', { cluster: 'h1' }),
              route('/', { timeout: '5s' }),
            ],
            hcm: { use_remote_address: true },
          }),
        ],
        [
          http2Cluster('a', [ports.a!]),
          http2Cluster('one', [ports.one!]),
          http2Cluster('h1', [ports.h1!], {
            connect_timeout: '0.3s',
            ...protocolOptions({ explicit_http_config: { http2_protocol_options: {} } }),
          }),
        ],
      ),
    cases: [...conversions, ...interim, ...resets, ...broken, ...streaming],
  },
];

if (import.meta.main) compare(groups);
