/** When a request is made again, and what is counted. */
import { onHttp1 } from './backend/exchange.ts';
import { http1 as http1Backend } from './backend/http1.ts';
import { answer, believing, failing, policy, retried, row, soon } from './cases/retry-rows.ts';
import {
  bootstrap,
  cluster,
  httpListener,
  type Message,
  protocolOptions,
  route,
} from './harness/bootstrap.ts';
import type { Case, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get } from './wire/http1.ts';

const limited = 'x-envoy-ratelimited: true';

const conditions: readonly Case[] = [
  row(
    'an answer of a rate limit is not worth 5xx',
    [get('/5xx')],
    { status: 503, stats: retried(0) },
    { answers: failing(1, 503, limited) },
  ),
  row(
    'nor a status that is worth it',
    [get('/codes')],
    { status: 429, stats: retried(0) },
    { answers: failing(1, 429, limited) },
  ),
  row(
    'an answer of a rate limit, where that is asked for',
    [get('/ratelimited')],
    { status: 200, stats: retried(1) },
    { answers: failing(1, 429, limited) },
  ),
  row(
    'whatever its status',
    [get('/ratelimited')],
    { status: 200, stats: retried(1) },
    { answers: failing(1, 200, limited) },
  ),
  row(
    'a plain 429 is none of a rate limit',
    [get('/ratelimited')],
    { status: 429, stats: retried(0) },
    { answers: failing(1, 429) },
  ),
  row(
    'an answer of a rate limit, asked for by the request',
    [get('/none', 'x-envoy-retry-on: envoy-ratelimited')],
    { status: 200, stats: retried(1) },
    { answers: failing(1, 429, limited) },
  ),
  row(
    'names of headers',
    [get('/none', 'x-envoy-retry-on: retriable-headers', 'x-envoy-retriable-header-names: x-other, X-Again')],
    { status: 200, stats: retried(1) },
    { answers: failing(1, 200, 'x-again: 1') },
  ),
  row(
    'names of headers beside those of the route',
    [get('/headers', 'x-envoy-retriable-header-names: x-again')],
    { status: 200, stats: retried(2) },
    {
      answers: {
        a: onHttp1(({ attempt, write }) =>
          write([answer(200, ['x-again: 1']), answer(200, ['x-of-route: 1'])][attempt - 1] ?? answer(200)),
        ),
      },
    },
  ),
  row(
    'names of headers without their condition',
    [get('/5xx', 'x-envoy-retriable-header-names: x-again')],
    { status: 200, stats: retried(0) },
    { answers: failing(1, 200, 'x-again: 1') },
  ),
  row('names of headers do not go on', [get('/none', 'x-envoy-retriable-header-names: x-again')], {
    status: 200,
    never: /retriable-header/,
  }),
  row(
    'the status as a header',
    [get('/status-header')],
    { status: 200, stats: retried(1) },
    { answers: failing(1, 418) },
  ),
  row(
    'a condition of gRPC among those of HTTP',
    [get('/none', 'x-envoy-retry-on: unavailable')],
    { client: /grpc-status: 14/, stats: retried(0) },
    { answers: failing(1, 200, 'grpc-status: 14') },
  ),
  row(
    'a condition of HTTP among those of gRPC',
    [get('/none', 'x-envoy-retry-grpc-on: 5xx')],
    { status: 503, stats: retried(0) },
    { answers: failing(1, 503) },
  ),
  row(
    'conditions of gRPC, of the request',
    [get('/none', 'x-envoy-retry-grpc-on: cancelled,unavailable')],
    { status: 200, stats: retried(1) },
    { answers: failing(1, 200, 'grpc-status: 14') },
  ),
  row(
    'a status of gRPC is a number',
    [get('/grpc')],
    { client: /grpc-status: 014/, stats: retried(1) },
    {
      answers: {
        a: onHttp1(({ write }) => write(answer(200, ['grpc-status: 014']))),
      },
    },
  ),
  row(
    'more retries than the route has',
    [get('/once', 'x-envoy-max-retries: 3')],
    { status: 200, stats: retried(3) },
    { answers: failing(3, 503) },
  ),
  row(
    'no retries',
    [get('/5xx', 'x-envoy-max-retries: 0')],
    { status: 503, log: / 503 URX /, stats: retried(0) },
    { answers: failing(1, 503) },
  ),
  row(
    'a number of retries that is none',
    [get('/once', 'x-envoy-max-retries: some')],
    { status: 200, stats: retried(1) },
    { answers: failing(1, 503) },
  ),
  row(
    'a negative number of retries',
    [get('/once', 'x-envoy-max-retries: -1')],
    { status: 200, stats: retried(1) },
    { answers: failing(1, 503) },
  ),
  row(
    'statuses of the request beside those of the route',
    [get('/codes', 'x-envoy-retriable-status-codes: 418, x, 419')],
    { status: 200, stats: retried(2) },
    {
      answers: { a: onHttp1(({ attempt, write }) => write(answer([418, 429][attempt - 1] ?? 200))) },
    },
  ),
  row(
    'a header that the route adds',
    [get('/asks')],
    { status: 200, stats: retried(1), never: /retry-on/ },
    { answers: failing(1, 503) },
  ),
  row(
    'a request header that the route adds',
    [get('/allowed-by-route')],
    { status: 200, stats: retried(1) },
    { answers: failing(1, 503) },
  ),
  row(
    'a request without the header',
    [get('/allowed')],
    { status: 503, log: / 503 - /, stats: retried(0) },
    { answers: failing(1, 503) },
  ),
  row(
    'a request without the header that asks for itself',
    [get('/allowed', 'x-envoy-retry-on: 5xx')],
    { status: 503, stats: retried(0) },
    { answers: failing(1, 503) },
  ),
  row(
    'no answer is better',
    [get('/5xx')],
    {
      status: 503,
      log: / 503 URX via_upstream .*attempts=3$/,
      stats: { 'cluster.a.upstream_rq_retry_limit_exceeded': 1, 'cluster.a.retry.upstream_rq_503': 2 },
    },
    { answers: failing(9, 503) },
  ),
  row(
    'the last one is no answer',
    [get('/5xx')],
    { status: 503, log: / 503 URX,UC upstream_reset_before_response_started.* attempts=3$/ },
    { answers: { a: onHttp1((x) => x.end()) } },
  ),
  row(
    'an answer that is not worth it after one that was',
    [get('/5xx')],
    { status: 404, stats: { 'cluster.a.upstream_rq_retry_success': 1 } },
    {
      answers: { a: onHttp1(({ attempt, write }) => write(answer(attempt < 2 ? 500 : 404))) },
    },
  ),
  row(
    '409',
    [get('/4xx')],
    { status: 200, stats: { 'cluster.a.retry.upstream_rq_409': 1, 'cluster.a.retry.upstream_rq_4xx': 1 } },
    { answers: failing(1, 409) },
  ),
  row('a status beyond 5xx', [get('/5xx')], { stats: retried(0) }, { answers: failing(1, 600) }),
];

const toldCases: readonly Case[] = [
  row(
    'tell their number',
    [get('/told')],
    {
      status: 200,
      upstream: [/x-envoy-attempt-count: 1/, /x-envoy-attempt-count: 3/, /x-envoy-is-timeout-retry: false/],
      client: /x-envoy-attempt-count: 3/,
    },
    { on: 'told', answers: failing(2, 503) },
  ),
  row(
    'tell of a time-out',
    [get('/slow')],
    {
      status: 200,
      upstream: /x-envoy-is-timeout-retry: true/,
      stats: { 'cluster.a.upstream_rq_per_try_timeout': 1 },
    },
    {
      on: 'told',
      answers: { a: onHttp1(({ attempt, write }) => void (attempt > 1 && write(answer(200)))) },
    },
  ),
  row(
    'tell of a connection that was lost',
    [get('/told')],
    { status: 200, upstream: /x-envoy-is-timeout-retry: false/ },
    {
      on: 'told',
      answers: { a: onHttp1(({ attempt, write, end }) => (attempt > 1 ? write(answer(200)) : end())) },
    },
  ),
  row(
    'the policy of the virtual host',
    [get('/host')],
    { status: 200, stats: retried(1) },
    { on: 'told', answers: failing(1, 503) },
  ),
  row(
    'the policy of the route takes its place',
    [get('/other')],
    { status: 503, stats: retried(0) },
    { on: 'told', answers: failing(1, 503) },
  ),
];

const clusters: readonly Case[] = [
  row(
    'the policy of the cluster',
    [get('/by-cluster/none')],
    { status: 200, stats: { 'cluster.retrying.upstream_rq_retry': 2 } },
    { answers: failing(2, 500) },
  ),
  row(
    'it takes the place of the route’s',
    [get('/by-cluster/route')],
    { status: 418, stats: { 'cluster.retrying.upstream_rq_retry': 0 } },
    { answers: failing(1, 418) },
  ),
  row(
    'a request asks for more than the cluster',
    [get('/by-cluster/none', 'x-envoy-retry-on: retriable-4xx')],
    { status: 200, stats: { 'cluster.retrying.upstream_rq_retry': 1 } },
    { answers: failing(1, 409) },
  ),
  row(
    'per-try time of the cluster has no effect',
    [get('/cluster-try')],
    { status: 200 },
    {
      answers: {
        a: onHttp1(({ attempt, write }) =>
          attempt > 1 ? write(answer(200)) : void setTimeout(() => write(answer(200, [], 'late')), 600),
        ),
      },
    },
  ),
  row(
    'per-try time of the route beside the policy of the cluster',
    [get('/cluster-and-route-try')],
    { status: 200 },
    {
      answers: {
        a: onHttp1(({ attempt, write }) =>
          attempt > 1 ? write(answer(200)) : void setTimeout(() => write(answer(200, [], 'late')), 600),
        ),
      },
    },
  ),
];

const routes: readonly Message[] = [
  route('/5xx', policy('5xx')),
  route('/once', policy('5xx', { num_retries: 1 })),
  route('/4xx', policy('retriable-4xx')),
  route('/codes', policy('retriable-status-codes', { retriable_status_codes: [429] })),
  route('/ratelimited', policy('envoy-ratelimited')),
  route('/headers', policy('retriable-headers', { retriable_headers: [{ name: 'X-Of-Route' }] })),
  route(
    '/status-header',
    policy('retriable-headers', { retriable_headers: [{ name: ':status', string_match: { exact: '418' } }] }),
  ),
  route('/grpc', policy('unavailable', { num_retries: 1 })),
  route('/asks', {}, { request_headers_to_add: [{ header: { key: 'x-envoy-retry-on', value: '5xx' } }] }),
  route('/allowed-by-route', policy('5xx', { retriable_request_headers: [{ name: 'x-may' }] }), {
    request_headers_to_add: [{ header: { key: 'x-may', value: '1' } }],
  }),
  route('/allowed', policy('5xx', { retriable_request_headers: [{ name: 'x-may' }] })),
  route('/by-cluster/none', { cluster: 'retrying' }),
  route('/by-cluster/route', {
    cluster: 'retrying',
    ...policy('retriable-status-codes', { retriable_status_codes: [418] }),
  }),
  route('/cluster-try', { cluster: 'per-try' }),
  route('/cluster-and-route-try', { cluster: 'retrying', ...policy('5xx', { per_try_timeout: '0.2s' }) }),
  route('/typed', {
    retry_policy_typed_config: {
      '@type': 'type.googleapis.com/envoy.config.route.v3.RetryPolicy',
      retry_on: '5xx',
    },
  }),
  route('/none'),
  route('/status'),
];

const retrying = (more: Message): Message =>
  protocolOptions({
    explicit_http_config: { http_protocol_options: {} },
    retry_policy: { retry_on: '5xx', num_retries: 2, ...soon, ...more },
  });

export const groups: readonly Group[] = [
  {
    name: 'retries',
    backends: { a: http1Backend() },
    bootstrap: ({ ports: { a = 0 } }) =>
      bootstrap(
        [
          httpListener('main', { routes, ...believing }),
          httpListener('told', {
            ...believing,
            routes: [
              route('/slow', policy('5xx', { per_try_timeout: '0.1s' })),
              route('/other', policy('reset')),
              route('/'),
            ],
            host: {
              include_request_attempt_count: true,
              include_attempt_count_in_response: true,
              include_is_timeout_retry_header: true,
              ...policy('5xx'),
            },
          }),
        ],
        [
          cluster('a', [a]),
          cluster('retrying', [a], retrying({})),
          cluster('per-try', [a], retrying({ per_try_timeout: '0.2s' })),
        ],
      ),
    cases: [...conditions, ...toldCases, ...clusters],
  },
];

if (import.meta.main) compare(groups);
