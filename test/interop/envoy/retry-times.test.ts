/** How long a try may take, and how long a retry waits. */
import { onHttp1 } from './backend/exchange.ts';
import { http1 as http1Backend } from './backend/http1.ts';
import { answer, believing, failing, policy, retried, row } from './cases/retry-rows.ts';
import { adminLines, untilPage } from './harness/admin-lines.ts';
import { bootstrap, cluster, httpListener, type Message, route } from './harness/bootstrap.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, http1, outlasted, request, type Step } from './wire/http1.ts';

const idle: readonly Case[] = [
  row(
    'idle: nothing comes',
    [get('/idle')],
    { status: 200, stats: { 'cluster.a.upstream_rq_per_try_idle_timeout': 1, ...retried(1) } },
    {
      answers: { a: onHttp1(({ attempt, write }) => void (attempt > 1 && write(answer(200)))) },
    },
  ),
  row(
    'idle: half an answer',
    [get('/idle')],
    {
      status: 200,
      connection: 'closed',
      client: /some/,
      log: / 200 UT upstream_per_try_idle_timeout /,
      stats: { 'cluster.a.upstream_rq_per_try_idle_timeout': 1, ...retried(0) },
    },
    {
      answers: { a: onHttp1(({ write }) => write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nsome')) },
    },
  ),
  row(
    'idle: signs of life',
    [get('/idle-long'), ...[...'abcd'].flatMap((): Step[] => [outlasted('/slow/long'), { cue: 'a' }])],
    { status: 200, client: /abcd/, stats: { 'cluster.a.upstream_rq_per_try_idle_timeout': 0 } },
    {
      answers: {
        a: onHttp1(async ({ write, cue }) => {
          write('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n');
          for (const piece of 'abcd') {
            await cue();
            write(piece);
          }
        }),
      },
    },
  ),
  row(
    'idle: without conditions',
    [get('/idle-only')],
    { status: 504, log: / 504 UT upstream_per_try_idle_timeout / },
    { answers: { a: onHttp1(() => {}) } },
  ),
  row(
    'idle: a request that is not complete',
    [request('POST', '/idle', ['content-length: 6'], 'abc'), { saw: /abc/ }, outlasted('/slow'), 'def'],
    { status: 200, stats: retried(0) },
    { answers: failing(0, 503) },
    ['POST'],
  ),
  row(
    'per try: a request that is not complete',
    [request('POST', '/slow-try', ['content-length: 6'], 'abc'), { saw: /abc/ }, outlasted('/slow'), 'def'],
    { status: 200, stats: retried(0) },
    { answers: failing(0, 503) },
    ['POST'],
  ),
  row(
    'per try: an answer that has begun',
    [get('/slow-try'), { until: /200/ }, outlasted('/slow'), { cue: 'a' }],
    { status: 200, client: /slow/, stats: { 'cluster.a.upstream_rq_per_try_timeout': 0 } },
    {
      answers: {
        a: onHttp1(async ({ write, cue }) => {
          write('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n');
          await cue();
          write('slow');
        }),
      },
    },
  ),
  row(
    'another status for a time-out',
    [get('/in-time', 'x-envoy-upstream-rq-timeout-alt-response: 1')],
    {
      status: 204,
      log: / 204 UT response_timeout /,
      stats: { 'cluster.a.upstream_rq_204': 1, 'cluster.a.upstream_rq_timeout': 1 },
    },
    { answers: { a: onHttp1(() => {}) } },
  ),
  row(
    'another status for a time-out of a try',
    [get('/one-try', 'x-envoy-upstream-rq-timeout-alt-response: 1')],
    { status: 204, log: / 204 URX,UT upstream_per_try_timeout / },
    { answers: { a: onHttp1(() => {}) } },
  ),
  row(
    'another status for a time-out of gRPC',
    [get('/in-time', 'x-envoy-upstream-rq-timeout-alt-response: 1', 'content-type: application/grpc')],
    { status: 200, client: /grpc-status: 2/ },
    { answers: { a: onHttp1(() => {}) } },
  ),
  row(
    'another status, and a connection that was lost',
    [get('/in-time', 'x-envoy-upstream-rq-timeout-alt-response: 1')],
    { status: 503 },
    { answers: { a: onHttp1((x) => x.end()) } },
  ),
  row(
    'time runs out before a retry',
    [get('/long-wait')],
    {
      status: 504,
      log: / 504 UT response_timeout /,
      stats: { 'cluster.a.upstream_rq_timeout': 0, 'cluster.a.upstream_rq_504': 0 },
    },
    { answers: failing(9, 503) },
  ),
  row('per-try time as a header', [get('/expected', 'x-envoy-upstream-rq-per-try-timeout-ms: 700')], {
    status: 200,
    upstream: /x-envoy-expected-rq-timeout-ms: 700/,
  }),
  row(
    'per-try time as a header, that is longer than all',
    [get('/expected', 'x-envoy-upstream-rq-per-try-timeout-ms: 7000')],
    { status: 200, upstream: /x-envoy-expected-rq-timeout-ms: 2000/ },
  ),
];

const backedOff = (kind: 'exponential' | 'ratelimited'): Expectation => ({
  status: 200,
  stats: {
    'cluster.a.upstream_rq_retry_backoff_exponential': kind === 'exponential' ? 1 : 0,
    'cluster.a.upstream_rq_retry_backoff_ratelimited': kind === 'ratelimited' ? 1 : 0,
  },
});
const told = (name: string, kind: 'exponential' | 'ratelimited', ...headers: readonly string[]): Case =>
  row(`back off: ${name}`, [get('/reset')], backedOff(kind), { answers: failing(1, 503, ...headers) });

const waiting: Case = {
  name: 'retries: one that waits counts against the limit',
  covers: 'retries',
  answers: failing(9, 503),
  play: async (play) => {
    const lines: string[] = [];
    const look = async (when: string): Promise<void> => {
      const found = await adminLines(
        play,
        '/stats',
        /^cluster\.a\.(?:upstream_rq_retry|circuit_breakers\.default\.rq_retry_open|upstream_rq_active):/,
      );
      lines.push(...found.map((line) => `${when} ${line}`));
    };
    await look('before');
    const view = await http1([
      get('/longer-wait'),
      { saw: /GET/ },
      { act: () => untilPage(play, '/stats', /^cluster\.a\.upstream_rq_active: 0$/m) },
      { act: () => look('meanwhile') },
    ])(play);
    await look('after');
    return { ...view, lines: [...view.lines, ...lines] };
  },
  expect: { status: 504 },
};

const seconds = (more: number): string => String(Math.floor(Date.now() / 1000) + more);

const backOffs: readonly Case[] = [
  told('so many seconds', 'ratelimited', 'retry-after: 1'),
  told('more seconds than are allowed', 'exponential', 'retry-after: 3'),
  told('none', 'exponential', 'retry-after: 0'),
  told('a date', 'exponential', 'retry-after: Sun, 22 Nov 2026 12:00:00 GMT'),
  told('another header where the first is too long', 'ratelimited', 'retry-after: 300', 'x-later: 1'),
  told('none, and another header', 'exponential', 'retry-after: 0', 'x-later: 1'),
  told('the past', 'exponential', 'x-moment: 1600000000'),
  told('no header', 'exponential'),
  told('a negative number', 'exponential', 'retry-after: -1'),
  told('two values', 'ratelimited', 'retry-after: 1', 'retry-after: 0'),
  row('back off: a moment', [get('/reset')], backedOff('ratelimited'), {
    answers: {
      a: onHttp1(({ attempt, write }) =>
        write(attempt > 1 ? answer(200) : answer(503, [`x-moment: ${seconds(2)}`])),
      ),
    },
  }),
  row('back off: a moment that is far', [get('/reset')], backedOff('exponential'), {
    answers: {
      a: onHttp1(({ attempt, write }) =>
        write(attempt > 1 ? answer(200) : answer(503, [`x-moment: ${seconds(60)}`])),
      ),
    },
  }),
  row('back off: a connection that was lost', [get('/reset')], backedOff('exponential'), {
    answers: { a: onHttp1(({ attempt, write, end }) => (attempt > 1 ? write(answer(200)) : end())) },
  }),
];

const routes: readonly Message[] = [
  route('/idle-long', policy('5xx', { per_try_idle_timeout: '2s' })),
  route('/idle-only', { retry_policy: { per_try_idle_timeout: '0.1s' } }),
  route('/idle', policy('5xx', { per_try_idle_timeout: '0.15s' })),
  route('/slow-try', policy('5xx', { per_try_timeout: '0.2s' })),
  // Where nothing answers: a part of the time of `/idle-long`.
  route('/slow/long', { timeout: '0.6s' }),
  // Where nothing answers: longer than `/idle` and `/slow-try`.
  route('/slow', { timeout: '0.3s' }),
  route('/in-time', { timeout: '0.1s' }),
  route('/one-try', policy('5xx', { per_try_timeout: '0.05s', num_retries: 0 })),
  route('/expected', { timeout: '2s', ...policy('5xx', { per_try_timeout: '1s' }) }),
  route('/longer-wait', { timeout: '2s', ...policy('5xx', { retry_back_off: { base_interval: '1000s' } }) }),
  route('/long-wait', { timeout: '0.3s', ...policy('5xx', { retry_back_off: { base_interval: '1000s' } }) }),
  route(
    '/reset',
    policy('5xx', {
      rate_limited_retry_back_off: {
        reset_headers: [
          { name: 'Retry-After' },
          { name: 'x-later', format: 'SECONDS' },
          { name: 'x-moment', format: 'UNIX_TIMESTAMP' },
        ],
        max_interval: '2s',
      },
    }),
  ),
  route('/status'),
];

export const groups: readonly Group[] = [
  {
    name: 'times of retries',
    backends: { a: http1Backend() },
    bootstrap: ({ ports: { a = 0 } }) =>
      bootstrap(
        [httpListener('main', { routes, ...believing })],
        [cluster('a', [a], { circuit_breakers: { thresholds: [{ max_retries: 1 }] } })],
      ),
    cases: [waiting, ...idle, ...backOffs],
  },
];

if (import.meta.main) compare(groups);
