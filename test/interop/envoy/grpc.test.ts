/** gRPC: status wherever it is, deadlines, streams of all kinds, what a browser sends, and what is counted. */
import { type Answers, onHttp2 } from './backend/exchange.ts';
import { http1 as http1Backend } from './backend/http1.ts';
import { http2 as http2Backend } from './backend/http2.ts';
import {
  bootstrap,
  cluster,
  extension,
  http2Cluster,
  httpListener,
  type Message,
  route,
} from './harness/bootstrap.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { base64, grpcMessage } from './wire/grpc.ts';
import { dataFrame, headersFrame, rstStream } from './wire/h2-frames.ts';
import type { Field } from './wire/hpack.ts';
import { http1, request, type Step } from './wire/http1.ts';
import { fieldsOf, type H2Step, type Http2Options, http2 } from './wire/http2.ts';

const METHOD = '/test.Echo/Say';
const grpc: Field = ['content-type', 'application/grpc'];
const open =
  (path = METHOD, more: readonly Field[] = []): H2Step =>
  (play) =>
    headersFrame(1, fieldsOf('POST', path, [grpc, ['te', 'trailers'], ...more])(play));
const call = (path = METHOD, more: readonly Field[] = []): H2Step[] => [
  open(path, more),
  dataFrame(1, Buffer.from(grpcMessage('ping'), 'latin1'), true),
];

/** One message and a status in trailers. */
const reply = (status: string, more: readonly Field[] = []): Answers =>
  onHttp2(async ({ peer, stream, body }) => {
    await body();
    peer.headers(stream, [[':status', '200'], grpc]);
    peer.data(stream, grpcMessage('pong'));
    peer.headers(stream, [['grpc-status', status], ...more], true);
  });
const headOnly = (...fields: readonly Field[]): Answers =>
  onHttp2(async ({ peer, stream, body }) => {
    await body();
    peer.headers(stream, [[':status', '200'], grpc, ...fields], true);
  });

const row = (
  name: string,
  steps: readonly H2Step[],
  expect: Expectation,
  answer?: Answers,
  more: Partial<Case> = {},
  options: Http2Options = {},
): Case => ({
  ...{ name: `grpc: ${name}`, covers: 'grpc', expect },
  ...(answer === undefined ? {} : { answers: { a: answer } }),
  play: http2(steps, options),
  ...more,
});

const statuses: readonly Case[] = [
  row(
    'a call that succeeds',
    call(),
    {
      status: 200,
      client: /trailers\ngrpc-status: 0\ndata: .*pong/,
      upstream: /te: trailers/,
      log: / 200 - via_upstream /,
    },
    reply('0'),
  ),
  row(
    'a status in trailers',
    call(),
    { client: /grpc-message: no%20way\ngrpc-status: 7/ },
    reply('7', [['grpc-message', 'no%20way']]),
  ),
  row(
    'a status in the head',
    call(),
    { client: /grpc-status: 5\n/, never: /^trailers/ },
    headOnly(['grpc-status', '5'], ['grpc-message', 'not here']),
  ),
  row(
    'no status at all',
    call(),
    { client: /end of stream/, never: /grpc-status/ },
    onHttp2(async ({ peer, stream, body }) => {
      await body();
      peer.headers(stream, [[':status', '200'], grpc]);
      peer.data(stream, grpcMessage('pong'), true);
    }),
  ),
  row(
    'an answer of HTTP',
    call(),
    { status: 503 },
    onHttp2(async ({ peer, stream, body }) => {
      await body();
      peer.headers(stream, [
        [':status', '503'],
        ['content-type', 'text/plain'],
      ]);
      peer.data(stream, 'down', true);
    }),
  ),
  row(
    'a reset',
    call(),
    { client: [/grpc-status: 14/, /grpc-message: .*remote reset/], log: / 200 UR / },
    onHttp2(async ({ peer, stream, body }) => {
      await body();
      peer.send(rstStream(stream, 2));
    }),
  ),
  row(
    'a reset after a message',
    call(),
    { client: [/pong/, /^reset INTERNAL_ERROR/], log: / 200 UR upstream_reset_after/ },
    onHttp2(async ({ peer, stream, body }) => {
      await body();
      peer.headers(stream, [[':status', '200'], grpc]);
      peer.data(stream, grpcMessage('pong'));
      peer.send(rstStream(stream, 8));
    }),
  ),
  row(
    'details of a status',
    call(),
    { client: /grpc-status-details-bin: CAUSBm5vcGU/ },
    reply('5', [['grpc-status-details-bin', 'CAUSBm5vcGU']]),
  ),
];

/** Replies of the proxy itself are a status in the head. */
/** A call whose head is all of it, so that it is whole when it is answered. */
const bare = (path: string): H2Step[] => [
  (play) => headersFrame(1, fieldsOf('POST', path, [grpc, ['te', 'trailers']])(play), true),
];

const local: readonly Case[] = [
  row('no route', bare('/nowhere'), {
    status: 200,
    client: [/grpc-status: 12/, /content-type: application\/grpc/],
    log: / 200 NR route_not_found /,
  }),
  row('no cluster', bare('/no-cluster'), { client: /grpc-status: 14/ }),
  row('no endpoint', bare('/empty'), { client: /grpc-status: 14\n/, log: / UH / }),
  row('nobody listens', bare('/refused'), { client: [/grpc-status: 14/, /grpc-message: /] }),
  row('a direct response', bare('/direct'), {
    client: [/grpc-status: 7/, /grpc-message: no/],
    log: / 200 - direct_response /,
  }),
  row('a redirect', bare('/redirect'), { client: [/grpc-status: 2/, /location: /] }),
  row('the timeout of the route', bare('/timeout'), {
    client: [/grpc-status: 14/, /grpc-message: upstream request timeout/],
    log: / UT /,
  }),
  row('an unknown method over HTTP/1', [], { status: 200, client: /grpc-status: 12/ }, undefined, {
    play: http1([request('POST', '/nowhere', ['content-type: application/grpc', 'content-length: 0'])], {
      methods: ['POST'],
    }),
  }),
];

const deadline = (name: string, value: string, expect: Expectation, path = '/deadline'): Case =>
  row(
    `grpc-timeout: ${name}`,
    call(path, [['grpc-timeout', value]]),
    expect,
    onHttp2(() => {}),
    { table: 'grpc-timeout' },
  );

const deadlines: readonly Case[] = [
  deadline('milliseconds', '80m', { client: /grpc-status: 4/, upstream: /grpc-timeout: / }),
  deadline('microseconds', '80000u', { client: /grpc-status: 4/ }),
  deadline('nanoseconds', '80000000n', { client: /grpc-status: 4/ }),
  deadline('more than allowed', '1H', { client: /grpc-status: 4/ }),
  deadline('where it is not heeded', '1m', { client: /grpc-status: 14/ }, '/timeout'),
];

const both = (steps: readonly H2Step[], answer: Answers, name: string, expect: Expectation): Case =>
  row(name, steps, expect, answer);
const message = (text: string, end = false): H2Step =>
  dataFrame(1, Buffer.from(grpcMessage(text), 'latin1'), end);

const streams: readonly Case[] = [
  both(
    [open(), message('one'), message('two'), message('three', true)],
    onHttp2(async ({ peer, stream, body }) => {
      const text = await body();
      peer.headers(stream, [[':status', '200'], grpc]);
      peer.data(stream, grpcMessage(`${text.length}`));
      peer.headers(stream, [['grpc-status', '0']], true);
    }),
    'a stream of the client',
    { status: 200, client: /grpc-status: 0/ },
  ),
  both(
    call(),
    onHttp2(async ({ peer, stream, body }) => {
      await body();
      peer.headers(stream, [[':status', '200'], grpc]);
      for (const text of ['one', 'two', 'three']) peer.data(stream, grpcMessage(text));
      peer.headers(stream, [['grpc-status', '0']], true);
    }),
    'a stream of the server',
    { client: /one.*two.*three/ },
  ),
  both(
    [
      open(),
      message('one'),
      { until: (peer) => peer.stream(1).data.includes('got one') },
      message('two'),
      { until: (peer) => peer.stream(1).data.includes('got two') },
      dataFrame(1, '', true),
    ],
    onHttp2(async ({ peer, stream, received, body }) => {
      await received(8);
      peer.headers(stream, [[':status', '200'], grpc]);
      peer.data(stream, grpcMessage('got one'));
      await received(16);
      peer.data(stream, grpcMessage('got two'));
      await body();
      peer.headers(stream, [['grpc-status', '0']], true);
    }),
    'a stream of both, by turns',
    { status: 200, client: /got one.*got two/ },
  ),
  both(
    [open(), { saw: /:path/ }, rstStream(1, 8)],
    onHttp2(() => {}),
    'a stream that the client gives up',
    { upstream: /reset / },
  ),
].map((made, at) =>
  at === 3
    ? { ...made, logLines: 1, play: http2([open(), { saw: /:path/ }, rstStream(1, 8)], { streams: [] }) }
    : made,
);

const retried: readonly Case[] = [
  row(
    'a retry on a status',
    call('/retry'),
    { client: /grpc-status: 0/, stats: { 'cluster.a.upstream_rq_retry': 1 } },
    onHttp2(async ({ peer, stream, attempt, body }) => {
      await body();
      peer.headers(stream, [[':status', '200'], grpc, ['grpc-status', attempt < 2 ? '14' : '0']], true);
    }),
  ),
  row(
    'no retry on another status',
    call('/retry'),
    { client: /grpc-status: 3/, stats: { 'cluster.a.upstream_rq_retry': 0 } },
    headOnly(['grpc-status', '3']),
  ),
];

const counted: readonly Case[] = [
  row(
    'grpc_stats of a success',
    call('/stats.Service/Method'),
    {
      stats: {
        'cluster.a.grpc.stats.Service.Method.success': 1,
        'cluster.a.grpc.stats.Service.Method.0': 1,
        'cluster.a.grpc.stats.Service.Method.request_message_count': 1,
      },
    },
    reply('0'),
    { on: 'counted' },
  ),
  row(
    'grpc_stats of a failure',
    call('/stats.Service/Method'),
    {
      stats: { 'cluster.a.grpc.stats.Service.Method.failure': 1, 'cluster.a.grpc.stats.Service.Method.7': 1 },
    },
    reply('7'),
    { on: 'counted' },
  ),
  row(
    'grpc_stats of a status in the head',
    call('/stats.Service/Method'),
    { stats: { 'cluster.a.grpc.stats.Service.Method.5': 1 } },
    headOnly(['grpc-status', '5']),
    { on: 'counted' },
  ),
];

/** An answer that is none of gRPC. */
const plainly = (status: string, field: Field, ...pieces: readonly string[]): Answers =>
  onHttp2(async ({ peer, stream, body }) => {
    await body();
    peer.headers(stream, [[':status', status], field], pieces.length === 0);
    for (const [at, piece] of pieces.entries()) peer.data(stream, piece, at === pieces.length - 1);
  });

const web = (
  name: string,
  type: string,
  body: string,
  expect: Expectation,
  answer: Answers = reply('0'),
  headers: readonly string[] = [],
): Case => ({
  ...{ name: `grpc-web: ${name}`, covers: 'grpc', on: 'web', expect, answers: { a: answer } },
  play: http1(
    [
      request(
        'POST',
        METHOD,
        [`content-type: ${type}`, `content-length: ${body.length}`, 'x-grpc-web: 1', ...headers],
        body,
      ) as Step,
    ],
    { methods: ['POST'], whole: true },
  ),
});

const browsers: readonly Case[] = [
  web('binary', 'application/grpc-web', grpcMessage('ping'), {
    status: 200,
    client: [/content-type: application\/grpc-web\+proto$/, /grpc-status:0/],
    upstream: [/content-type: application\/grpc$/, /te: trailers/],
  }),
  web('binary with +proto', 'application/grpc-web+proto', grpcMessage('ping'), {
    client: /content-type: application\/grpc-web\+proto/,
    upstream: /content-type: application\/grpc/,
  }),
  web(
    'text',
    'application/grpc-web-text',
    base64(grpcMessage('ping')),
    {
      status: 200,
      client: [
        /content-type: application\/grpc-web-text/,
        new RegExp(base64(grpcMessage('pong')).slice(0, 8)),
      ],
    },
    reply('0'),
    ['accept: application/grpc-web-text'],
  ),
  web(
    'text in two padded pieces',
    'application/grpc-web-text',
    base64(grpcMessage('a')) + base64(grpcMessage('b')),
    { status: 200 },
  ),
  web('text that is none', 'application/grpc-web-text', '***!', {
    status: 400,
    client: [/grpc-status: 13/, /grpc-message: Bad gRPC-web request/],
    log: / grpc_base_64_decode_failed /,
  }),
  web(
    'a failure in trailers',
    'application/grpc-web',
    grpcMessage('ping'),
    { client: /grpc-status:7/ },
    reply('7', [['grpc-message', 'no']]),
  ),
  web(
    'a failure in the head',
    'application/grpc-web',
    grpcMessage('ping'),
    { client: /grpc-status: 5/ },
    headOnly(['grpc-status', '5']),
  ),
  web(
    'what is no gRPC-Web passes',
    'application/json',
    '{}',
    { status: 200, upstream: /content-type: application\/json/ },
    onHttp2(async ({ peer, stream, body }) => {
      await body();
      peer.headers(stream, [
        [':status', '200'],
        ['content-type', 'application/json'],
      ]);
      peer.data(stream, '{}', true);
    }),
  ),
  web(
    'an answer in text',
    'application/grpc-web',
    grpcMessage('ping'),
    { status: 503, client: [/grpc-status: 14/, /grpc-message: it is%25 down/] },
    plainly('503', ['content-type', 'text/plain'], 'it is% ', 'down'),
  ),
  web(
    'an answer in JSON',
    'application/grpc-web',
    grpcMessage('ping'),
    { status: 200, client: [/grpc-status: 2/, /grpc-message: {"a":1}/] },
    plainly('200', ['content-type', 'application/json'], '{"a":1}'),
  ),
  web(
    'an answer in text, to one who reads text',
    'application/grpc-web-text',
    base64(grpcMessage('ping')),
    { status: 404, client: /grpc-status: 12/ },
    plainly('404', ['content-length', '7'], 'nowhere'),
    ['accept: application/grpc-web-text'],
  ),
  web(
    'an answer without anything',
    'application/grpc-web',
    grpcMessage('ping'),
    { status: 404 },
    plainly('404', ['x-a', 'b']),
  ),
  web(
    'an answer that is too long for a message',
    'application/grpc-web',
    grpcMessage('ping'),
    { status: 500 },
    plainly('500', ['content-type', 'text/html'], 'x'.repeat(10_000), 'y'.repeat(10_000)),
  ),
  web(
    'an upstream that is down',
    'application/grpc-web',
    grpcMessage('ping'),
    { status: 503, client: /grpc-status: 14/ },
    onHttp2(({ peer, stream }) => peer.send(rstStream(stream, 2))),
  ),
];

const policy: Message = {
  retry_on: 'unavailable',
  num_retries: 1,
  retry_back_off: { base_interval: '0.001s' },
};

export const groups: readonly Group[] = [
  {
    name: 'grpc',
    backends: { a: http2Backend(), h1: http1Backend() },
    bootstrap: ({ ports }) => {
      const routes = [
        { match: { path: '/direct' }, direct_response: { status: 403, body: { inline_string: 'no' } } },
        { match: { path: '/redirect' }, redirect: { path_redirect: '/other' } },
        route('/no-cluster', { cluster: 'unknown' }),
        route('/empty', { cluster: 'empty' }),
        route('/refused', { cluster: 'refused' }),
        route('/timeout', { prefix_rewrite: '/slow', timeout: '0.1s' }),
        route('/deadline', {
          prefix_rewrite: '/slow',
          max_stream_duration: { grpc_timeout_header_max: '0.1s' },
          timeout: '0.15s',
        }),
        route('/retry', { retry_policy: policy }),
        route('/test.Echo/'),
        route('/status/'),
        route('/stats.Service/'),
      ];
      const stats = extension('envoy.filters.http.grpc_stats', 'filters.http.grpc_stats.v3.FilterConfig', {
        stats_for_all_methods: true,
        enable_upstream_stats: false,
        emit_filter_state: false,
      });
      return bootstrap(
        [
          httpListener('main', { routes }),
          httpListener('counted', { routes, filters: [stats] }),
          httpListener('web', {
            routes,
            filters: [extension('envoy.filters.http.grpc_web', 'filters.http.grpc_web.v3.GrpcWeb')],
          }),
        ],
        [
          http2Cluster('a', [ports.a!]),
          cluster('empty', []),
          cluster('refused', [
            { endpoint: { address: { socket_address: { address: '127.255.255.253', port_value: 1 } } } },
          ]),
        ],
      );
    },
    cases: [...statuses, ...local, ...deadlines, ...streams, ...retried, ...counted, ...browsers],
  },
];

if (import.meta.main) compare(groups);
