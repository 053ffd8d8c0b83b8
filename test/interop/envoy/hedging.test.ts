/** Several attempts of one request at once: the first good answer wins, and nothing of the others is left. */
import { type Http1Exchange, onHttp1, onHttp2 } from './backend/exchange.ts';
import { http1 as http1Backend } from './backend/http1.ts';
import { http2 as http2Backend } from './backend/http2.ts';
import { hedgingBootstrap } from './cases/hedging-routes.ts';
import type { Replies } from './cases/retry-rows.ts';
import { untilPage } from './harness/admin-lines.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, http1, outlasted, request, type Step } from './wire/http1.ts';

const row = (
  name: string,
  steps: readonly Step[],
  expect: Expectation,
  answers: Replies,
  more: Partial<Case> = {},
  methods: readonly string[] = ['GET'],
): Case => ({
  ...{ name: `hedging: ${name}`, covers: 'hedging', expect, answers },
  play: http1(steps, { methods }),
  ...more,
});

const answer = (status: number, body = ''): string =>
  `HTTP/1.1 ${status} Some\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

/** What is done about each attempt; `undefined` says nothing, ever. */
type Act = ((exchange: Http1Exchange) => void) | undefined;
const attempts = (...acts: readonly Act[]): Replies => {
  const held: Http1Exchange[] = [];
  return {
    a: onHttp1(async (exchange) => {
      held[exchange.attempt] = exchange;
      await exchange.body();
      acts[exchange.attempt - 1]?.(exchange);
    }),
  };
};
const says =
  (status: number, body = ''): Act =>
  ({ write }) =>
    write(answer(status, body));
/** When the client gives its cue: attempts answer in the order of their cues. */
const later =
  (status: number, body = ''): Act =>
  ({ cue, write }) =>
    void cue().then(() => write(answer(status, body)));
const resetLater: Act = ({ cue, reset }) => void cue().then(reset);

const sawTwo: Step = { saw: /GET[\s\S]*GET/ };
const sawThree: Step = { saw: /GET[\s\S]*GET[\s\S]*GET/ };
const cue: Step = { cue: 'a' };
/** The proxy has seen that one of two is over. */
const oneLeft: Step = { act: (play) => untilPage(play, '/stats', /^cluster\.a\.upstream_rq_active: 1$/m) };
/** The time of a try is over, had it begun before. */
const tryIsOver = outlasted('/slow');

const counted = (
  retries: number,
  more: Readonly<Record<string, number>> = {},
): NonNullable<Expectation['stats']> => ({
  'cluster.a.upstream_rq_retry': retries,
  'cluster.a.upstream_rq_per_try_timeout': 0,
  ...more,
});
const cutOff = /cut off|GET/;

const cases: readonly Case[] = [
  row(
    'the second answers first',
    [get('/hedge')],
    { status: 200, client: /second/, log: / 200 - via_upstream .*attempts=2$/, stats: counted(1) },
    attempts(undefined, says(200, 'second')),
  ),
  row(
    'the first answers after all',
    [get('/hedge'), sawTwo, cue],
    { status: 200, client: /first/, stats: counted(1) },
    attempts(later(200, 'first'), undefined),
  ),
  row(
    'the first fails after all',
    [get('/once'), sawTwo, cue, oneLeft, cue],
    { status: 200, client: /second/, stats: counted(1) },
    attempts(later(503, 'first'), later(200, 'second')),
  ),
  row(
    'the first is not worth a retry',
    [get('/hedge'), sawTwo, cue],
    { status: 404, client: /first/, stats: counted(1) },
    attempts(later(404, 'first'), undefined),
  ),
  row(
    'both fail',
    [get('/once'), sawTwo, cue, oneLeft, cue],
    { status: 503, client: /second/, log: / 503 URX / },
    attempts(later(500, 'first'), later(503, 'second')),
  ),
  row(
    'the second fails, and the first answers',
    [get('/once'), sawTwo, cue, oneLeft, { act: (play) => play.backend('a').cue() }],
    { status: 200, client: /first/ },
    {
      a: onHttp1(async ({ attempt, cue: cued, write }) => {
        if (attempt === 1) {
          // Its cue is the second.
          await cued();
          await cued();
          write(answer(200, 'first'));
        } else write(answer(503, 'second'));
      }),
    },
  ),
  row(
    'the second fails, and a third answers',
    [get('/hedge')],
    { status: 200, client: /third/, stats: counted(2, { 'cluster.a.retry.upstream_rq_503': 1 }) },
    attempts(undefined, says(503), says(200, 'third')),
  ),
  row(
    'the third of three',
    [get('/hedge')],
    { status: 200, client: /third/, stats: counted(2) },
    attempts(undefined, undefined, says(200, 'third')),
  ),
  row(
    'the first of three',
    [get('/hedge'), sawThree, cue],
    { status: 200, client: /first/, stats: counted(2) },
    attempts(later(200, 'first'), undefined, undefined),
  ),
  row(
    'the middle one of three',
    [get('/hedge'), sawThree, cue],
    { status: 200, client: /second/, stats: counted(2) },
    attempts(undefined, later(200, 'second'), undefined),
  ),
  row(
    'no more are left',
    [get('/hedge'), sawThree, tryIsOver, cue],
    {
      status: 200,
      client: /third/,
      log: / 200 URX via_upstream .*attempts=3$/,
      stats: counted(2, { 'cluster.a.upstream_rq_retry_limit_exceeded': 1 }),
    },
    attempts(undefined, undefined, later(200, 'third')),
  ),
  row(
    'none is left at all',
    [get('/none-left'), { saw: /GET/ }, tryIsOver, cue],
    { status: 200, client: /first/, log: / 200 URX /, stats: counted(0) },
    attempts(later(200, 'first')),
  ),
  row(
    'none is allowed',
    [get('/overflow'), { saw: /GET/ }, tryIsOver, cue],
    {
      status: 200,
      client: /first/,
      log: / 200 UO /,
      stats: { 'cluster.full.upstream_rq_retry_overflow': 1 },
    },
    attempts(later(200, 'first')),
  ),
  row(
    'a failure before its time is an ordinary retry',
    [get('/hedge')],
    { status: 200, client: /second/, stats: counted(1, { 'cluster.a.retry.upstream_rq_503': 1 }) },
    attempts(says(503), says(200, 'second')),
  ),
  row(
    'the first is reset',
    [get('/once'), sawTwo, cue, oneLeft, cue],
    { status: 200, client: /second/, stats: counted(1) },
    attempts(resetLater, later(200, 'second')),
  ),
  row(
    'both are reset',
    [get('/once'), sawTwo, cue, oneLeft, cue],
    { status: 503, log: / 503 URX,UC upstream_reset_before_response_started/ },
    attempts(resetLater, resetLater),
  ),
  row(
    'the second is reset, and a third answers',
    [get('/hedge')],
    { status: 200, client: /third/ },
    attempts(undefined, ({ reset }) => reset(), says(200, 'third')),
  ),
  row(
    'time runs out with two',
    [get('/short'), sawTwo],
    {
      status: 504,
      log: / 504 URX,UT response_timeout /,
      stats: { 'cluster.a.upstream_rq_timeout': 2, 'cluster.a.upstream_rq_504': 2 },
    },
    attempts(undefined, undefined),
  ),
  row(
    'time runs out with two, and another status',
    [get('/short', 'x-envoy-upstream-rq-timeout-alt-response: yes')],
    { status: 204, stats: { 'cluster.a.upstream_rq_204': 2 } },
    attempts(undefined, undefined),
  ),
  row(
    'no condition, no hedging',
    [get('/no-condition'), { saw: /GET/ }, tryIsOver, cue],
    { status: 200, client: /first/, stats: counted(0) },
    attempts(later(200, 'first')),
  ),
  row(
    'a condition that no time-out meets',
    [get('/gateway-4xx')],
    { status: 200, client: /second/, stats: counted(1) },
    attempts(undefined, says(200, 'second')),
  ),
  row(
    'the request asks for it',
    [get('/try', 'x-envoy-hedge-on-per-try-timeout: true')],
    { status: 200, client: /second/, stats: counted(1), never: /hedge-on/ },
    attempts(undefined, says(200, 'second')),
  ),
  row(
    'the request does not want it',
    [get('/hedge', 'x-envoy-hedge-on-per-try-timeout: false')],
    { status: 200, stats: { 'cluster.a.upstream_rq_per_try_timeout': 1 } },
    attempts(undefined, says(200, 'second')),
  ),
  row(
    'the request says something else',
    [get('/hedge', 'x-envoy-hedge-on-per-try-timeout: TRUE')],
    { status: 200, stats: counted(1) },
    attempts(undefined, says(200, 'second')),
  ),
  row(
    'the request asks for all of it',
    [
      get(
        '/plain',
        'x-envoy-hedge-on-per-try-timeout: true',
        'x-envoy-retry-on: 5xx',
        'x-envoy-upstream-rq-per-try-timeout-ms: 60',
      ),
    ],
    { status: 200, client: /second/, stats: counted(1) },
    attempts(undefined, says(200, 'second')),
  ),
  row(
    'the virtual host wants it',
    [get('/hedge-by-host')],
    { status: 200, stats: counted(1) },
    attempts(undefined, says(200, 'second')),
    { on: 'host' },
  ),
  row(
    'the virtual host wants it, the route does not',
    [get('/not-by-route')],
    { status: 200, stats: { 'cluster.a.upstream_rq_per_try_timeout': 1 } },
    attempts(undefined, says(200, 'second')),
    { on: 'host' },
  ),
  row(
    'it tells of the time-out',
    [get('/hedge-by-host')],
    { upstream: /x-envoy-is-timeout-retry: true/, client: /x-envoy-attempt-count: 2/ },
    attempts(undefined, says(200, 'second')),
    { on: 'host' },
  ),
  row(
    'the upstream has all the time there is',
    [get('/two-seconds')],
    { status: 200, upstream: /x-envoy-expected-rq-timeout-ms: 2000/ },
    attempts(says(200)),
  ),
  row(
    'no sign of life',
    [get('/idle')],
    {
      status: 200,
      client: /second/,
      stats: { 'cluster.a.upstream_rq_retry': 1, 'cluster.a.upstream_rq_per_try_idle_timeout': 0 },
    },
    attempts(undefined, says(200, 'second')),
  ),
  row(
    'an answer that has begun goes on',
    [get('/hedge'), { until: /some/ }, tryIsOver, cue],
    { status: 200, client: /somemore/, stats: counted(0) },
    {
      a: onHttp1(async ({ write, cue: cued }) => {
        write('HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nsome');
        await cued();
        write('more');
      }),
    },
  ),
  row(
    'a body goes to both',
    [request('POST', '/hedge', ['content-length: 5'], 'hello')],
    { status: 200, upstream: /body by length: "hello"[\s\S]*body by length: "hello"/ },
    attempts(undefined, says(200, 'second')),
    {},
    ['POST'],
  ),
  row(
    'a body that is too long for two goes to one',
    [
      request('POST', '/hedge', ['content-length: 2000'], 'x'.repeat(2000)),
      { saw: /body by length/ },
      tryIsOver,
      cue,
    ],
    { status: 200, client: /first/, stats: counted(0, { 'cluster.a.retry_or_shadow_abandoned': 1 }) },
    attempts(later(200, 'first')),
    { on: 'small' },
    ['POST'],
  ),
  row(
    'another host',
    [get('/hosts')],
    { status: 200, client: /second/, upstream: [/^a\|/, /^b\|/] },
    {
      a: onHttp1(() => {}),
      b: onHttp1(({ write }) => write(answer(200, 'second'))),
    },
  ),
  row(
    'the client goes',
    [get('/hedge'), sawTwo, { act: (play) => play.after(() => {}) }, { end: true }],
    { upstream: cutOff },
    attempts(undefined, undefined),
    { logLines: 1 },
    [],
  ),
  row(
    'nothing is answered while a retry waits',
    [get('/long-wait'), { saw: /GET/ }, tryIsOver, cue],
    { status: 200, client: /first/, stats: { 'cluster.a.upstream_rq_retry': 0 } },
    attempts(later(200, 'first')),
  ),
  row(
    'the only one fails while a retry waits',
    [get('/long-wait'), { saw: /GET/ }, tryIsOver, cue],
    { status: 504, log: / 504 UT response_timeout / },
    attempts(later(503, 'first')),
  ),
];

const overHttp2: readonly Case[] = [
  row(
    'of HTTP/2: what is left is reset',
    [get('/h2')],
    { status: 200, client: /second/, upstream: /reset/ },
    {
      h2: onHttp2(async ({ peer, stream, attempt, body }) => {
        await body();
        if (attempt === 1) return;
        peer.headers(stream, [[':status', '200']]);
        peer.data(stream, 'second', true);
      }),
    },
  ),
  row(
    'of HTTP/2: the first answers after all',
    [get('/h2'), { saw: /GET[\s\S]*GET/, at: 'h2' }, { cue: 'h2' }],
    { status: 200, client: /first/, upstream: /reset/ },
    {
      h2: onHttp2(async ({ peer, stream, attempt, cue: cued }) => {
        if (attempt > 1) return;
        await cued();
        peer.headers(stream, [[':status', '200']]);
        peer.data(stream, 'first', true);
      }),
    },
  ),
  row(
    'of HTTP/2: a status of gRPC',
    [
      get('/h2-grpc', 'content-type: application/grpc', 'te: trailers'),
      { saw: /GET[\s\S]*GET/, at: 'h2' },
      { cue: 'h2' },
    ],
    { status: 200, client: /grpc-status: 0/ },
    {
      h2: onHttp2(async ({ peer, stream, attempt, cue: cued }) => {
        const head = [
          [':status', '200'],
          ['content-type', 'application/grpc'],
        ] as const;
        if (attempt === 1) {
          await cued();
          peer.headers(stream, [...head, ['grpc-status', '14']], true);
          setTimeout(() => peer.headers(stream + 2, [...head, ['grpc-status', '0']], true), 100);
        }
      }),
    },
  ),
];

export const groups: readonly Group[] = [
  {
    name: 'hedging',
    backends: { a: http1Backend(), b: http1Backend(), h2: http2Backend() },
    bootstrap: hedgingBootstrap,
    cases: [...cases, ...overHttp2],
  },
];

if (import.meta.main) compare(groups);
