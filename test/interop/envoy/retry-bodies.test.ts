/** How much of a body is kept for a retry. */
import { onHttp1 } from './backend/exchange.ts';
import { http1 as http1Backend } from './backend/http1.ts';
import { answer, failing, policy, row, type Stats } from './cases/retry-rows.ts';
import { untilPage } from './harness/admin-lines.ts';
import { bootstrap, cluster, httpListener, type Message, route } from './harness/bootstrap.ts';
import type { Case, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { http1, request, type Step } from './wire/http1.ts';
import { h2Post, http2, sendBody } from './wire/http2.ts';

const post = (path: string, bytes: number): Step =>
  request('POST', path, [`content-length: ${bytes}`], 'x'.repeat(bytes));
const abandoned = (times: number, of = 'a'): Stats => ({
  [`cluster.${of}.retry_or_shadow_abandoned`]: times,
  [`cluster.${of}.upstream_rq_retry`]: 1 - times,
});
const sent = (name: string, path: string, bytes: number, kept: boolean, on = 'small'): Case =>
  row(
    `a body ${name}`,
    [post(path, bytes)],
    { status: kept ? 200 : 503, stats: abandoned(kept ? 0 : 1) },
    { on, answers: failing(1, 503) },
    ['POST'],
  );

const bodies: readonly Case[] = [
  sent('of just the connection’s limit', '/plain', 1000, true),
  sent('over the connection’s limit', '/plain', 1001, false),
  sent('over the limit of the route', '/less', 101, false),
  sent('of the limit of the route', '/less', 100, true),
  sent('over the connection’s limit, with more for the route', '/more', 1001, true),
  sent('of more than the connection’s limit, for which the route makes room', '/room', 5000, true),
  sent('beyond that', '/room', 5001, false),
  sent('of nothing', '/nothing', 1, false),
  sent('over the cluster’s limit alone', '/of-cluster', 5000, true, 'main'),
  sent('over the limit of the virtual host', '/plain', 51, false, 'host-limit'),
  sent('over the limit of the virtual host, with more for the route', '/more', 51, true, 'host-limit'),
  sent('within the room of the virtual host', '/plain', 5000, true, 'host-room'),
  sent(
    'over the older limit of the route within the room of the virtual host',
    '/less',
    101,
    true,
    'host-room',
  ),
  {
    name: 'retries: a body that grows too long while a retry waits',
    covers: 'retries',
    on: 'small',
    answers: {
      a: onHttp1(async (x) => {
        await x.cue();
        x.end();
      }),
    },
    // In pieces, how much of it is counted depends on which piece was too much.
    play: http1(
      [
        request('POST', '/waits', ['transfer-encoding: chunked'], `64\r\n${'x'.repeat(100)}\r\n`),
        { saw: /x{100}/ },
        { cue: 'a' },
        { act: (play) => untilPage(play, '/stats', /^cluster\.waits\.upstream_cx_destroy_remote: 1$/m) },
        `400\r\n${'x'.repeat(1024)}\r\n0\r\n\r\n`,
      ],
      { methods: ['POST'], whole: true },
    ),
    expect: { status: 507, log: / 507 .*request_payload_exceeded_retry_buffer_limit / },
  },
  row(
    'a body that is sent again in pieces',
    [
      request('POST', '/plain', ['transfer-encoding: chunked'], `3\r\nabc\r\n`),
      { saw: /abc/ },
      '3\r\ndef\r\n0\r\n\r\n',
    ],
    { status: 200, upstream: /body by chunked: "abcdef"/ },
    { on: 'small', answers: failing(1, 503) },
    ['POST'],
  ),
  row(
    'an answer before the body is there',
    [
      request('POST', '/plain', ['transfer-encoding: chunked'], `3\r\nabc\r\n`),
      { saw: /abc[\s\S]*abc/ },
      '3\r\ndef\r\n0\r\n\r\n',
    ],
    { status: 200, upstream: /body by chunked: "abcdef"/ },
    {
      on: 'small',
      answers: {
        a: onHttp1(async (x) => {
          if (x.attempt > 1) await x.body();
          x.write(answer(x.attempt > 1 ? 200 : 503));
        }),
      },
    },
    ['POST'],
  ),
];

/** Over HTTP/2 it is the window of a stream that counts. */
const overHttp2 = (name: string, bytes: number, kept: boolean, on: string): Case => ({
  name: `retries: a body of HTTP/2 ${name}`,
  covers: 'retries',
  on,
  answers: failing(1, 503),
  play: http2([
    h2Post('/plain'),
    { act: (_play, peer) => sendBody(peer, 1, 'x'.repeat(bytes)) },
    { until: (peer) => peer.stream(1).ended },
  ]),
  expect: { status: kept ? 200 : 503, stats: abandoned(kept ? 0 : 1) },
});
const streams: readonly Case[] = [
  overHttp2('over the connection’s limit', 2000, true, 'small'),
  overHttp2('of just the window', 65_535, true, 'window'),
  overHttp2('over the window', 65_536, false, 'window'),
  overHttp2('of several windows', 200_000, false, 'window'),
  overHttp2('of several small windows, with the window of Envoy', 200_000, true, 'small'),
];

const limits: readonly Message[] = [
  route('/less', policy('5xx'), { per_request_buffer_limit_bytes: 100 }),
  route('/more', policy('5xx'), { per_request_buffer_limit_bytes: 5000 }),
  route('/room', policy('5xx'), { request_body_buffer_limit: 5000 }),
  route('/nothing', policy('5xx'), { request_body_buffer_limit: 0 }),
  route('/waits', { cluster: 'waits', ...policy('5xx', { retry_back_off: { base_interval: '1000s' } }) }),
  route('/plain', policy('5xx')),
  route('/status'),
];

export const groups: readonly Group[] = [
  {
    name: 'bodies of retries',
    backends: { a: http1Backend() },
    bootstrap: ({ ports: { a = 0 } }) =>
      bootstrap(
        [
          httpListener('main', { routes: [route('/of-cluster', policy('5xx')), route('/status')] }),
          httpListener('small', { routes: limits }, { per_connection_buffer_limit_bytes: 1000 }),
          httpListener('window', {
            routes: limits,
            hcm: { http2_protocol_options: { initial_stream_window_size: 65_535 } },
          }),
          httpListener(
            'host-limit',
            { routes: limits, host: { per_request_buffer_limit_bytes: 50 } },
            { per_connection_buffer_limit_bytes: 1000 },
          ),
          httpListener(
            'host-room',
            { routes: limits, host: { request_body_buffer_limit: 5000 } },
            { per_connection_buffer_limit_bytes: 1000 },
          ),
        ],
        ['a', 'waits'].map((name) => cluster(name, [a], { per_connection_buffer_limit_bytes: 1000 })),
      ),
    cases: [...bodies, ...streams],
  },
];

if (import.meta.main) compare(groups);
