/** Faults on purpose: delays, aborts and slow responses. */
import { onHttp1 } from './backend/exchange.ts';
import { http1 as http1Backend } from './backend/http1.ts';
import { answer } from './cases/retry-rows.ts';
import { bootstrap, cluster, extension, httpListener, type Message, route } from './harness/bootstrap.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, http1, request, type Step } from './wire/http1.ts';
import { h2Get, http2 } from './wire/http2.ts';

const row = (
  name: string,
  on: string,
  steps: readonly Step[],
  expect: Expectation,
  methods: readonly string[] = ['GET'],
): Case => ({ ...{ name: `fault: ${name}`, covers: 'faults', on, expect }, play: http1(steps, { methods }) });

const share = (numerator = 100, denominator = 'HUNDRED'): Message => ({
  percentage: { numerator, denominator },
});
const fault = (fields: Message): Message => extension('fault', 'filters.http.fault.v3.HTTPFault', fields);
const byRoute = (fields: Message): Message => ({
  typed_per_filter_config: {
    fault: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault', ...fields },
  },
});
const delay = { delay: { fixed_delay: '0.05s', ...share() } };
const abort = (status: number): Message => ({ abort: { http_status: status, ...share() } });
const GRPC = 'content-type: application/grpc';

const routes: readonly Message[] = [
  route('/delay', {}, byRoute(delay)),
  route('/abort', {}, byRoute(abort(418))),
  route('/both', {}, byRoute({ ...delay, ...abort(503) })),
  route('/never', {}, byRoute({ ...abort(503), abort: { http_status: 503, ...share(0) } })),
  route('/no-share', {}, byRoute({ abort: { http_status: 503 } })),
  route('/million', {}, byRoute({ abort: { http_status: 503, ...share(1_000_000, 'MILLION') } })),
  route('/grpc', {}, byRoute({ abort: { grpc_status: 7, ...share() } })),
  route('/body', {}, byRoute({ abort: { http_status: 500, response_body: 'on purpose', ...share() } })),
  route('/cluster/a', {}, byRoute({ ...abort(503), upstream_cluster: 'a' })),
  route('/cluster/b', {}, byRoute({ ...abort(503), upstream_cluster: 'b' })),
  route('/nodes', {}, byRoute({ ...abort(503), downstream_nodes: ['one', 'two'] })),
  route(
    '/headers',
    {},
    byRoute({ ...abort(503), headers: [{ name: 'x-fault', string_match: { exact: 'yes' } }] }),
  ),
  route('/none', {}, byRoute({ ...abort(503), max_active_faults: 0 })),
  route('/quiet', {}, byRoute({ ...abort(503), disable_downstream_cluster_stats: true })),
  route('/told', {}, byRoute({ ...delay, ...abort(503), filter_metadata: { why: 'test', n: 2 } })),
  route('/limited', {}, byRoute({ response_rate_limit: { fixed_limit: { limit_kbps: 64 }, ...share() } })),
  { match: { prefix: '/direct' }, direct_response: { status: 299 }, ...byRoute(abort(503)) },
  { match: { prefix: '/slow-direct' }, direct_response: { status: 299 } },
  {
    match: { prefix: '/weighted' },
    route: { weighted_clusters: { clusters: [{ name: 'a', weight: 1, ...byRoute(abort(451)) }] } },
    ...byRoute(abort(500)),
  },
  route('/empty', {}, byRoute({})),
  route('/retried', { retry_policy: { retry_on: '5xx', num_retries: 2 } }, byRoute(abort(503))),
  route('/timeout', { timeout: '1s' }, byRoute({ delay: { fixed_delay: '1.1s', ...share() } })),
  route('/status/'),
  route(
    '/again-delay',
    { retry_policy: { retry_on: '5xx', num_retries: 3, per_try_timeout: '1s' } },
    byRoute({ delay: { fixed_delay: '1.2s', ...share() } }),
  ),
  route(
    '/again-both',
    { retry_policy: { retry_on: 'retriable-status-codes', retriable_status_codes: [418], num_retries: 3 } },
    byRoute({ ...delay, ...abort(418) }),
  ),
  route(
    '/again-grpc',
    { retry_policy: { retry_on: 'unavailable', num_retries: 3 } },
    byRoute({ abort: { grpc_status: 14, ...share() } }),
  ),
  route(
    '/failing',
    { retry_policy: { retry_on: '5xx', num_retries: 1 } },
    byRoute({ ...delay, abort: { http_status: 503, ...share(0) } }),
  ),
  route('/asks', {}, byRoute({ delay: { fixed_delay: '1.1s', ...share() } })),
  route(
    '/hedged',
    {
      retry_policy: { retry_on: '5xx', num_retries: 3, per_try_timeout: '1s' },
      hedge_policy: { hedge_on_per_try_timeout: true },
    },
    byRoute({ delay: { fixed_delay: '1.2s', ...share() } }),
  ),
];

const inject = 'aborts_injected';
const BIG = 9000;

const cases: readonly Case[] = [
  row('a delay', 'main', [get('/delay')], {
    status: 200,
    log: / 200 DI via_upstream /,
    stats: { 'http.main.fault.delays_injected': 1 },
  }),
  row('an abort', 'main', [get('/abort')], {
    status: 418,
    client: /"fault filter abort"/,
    upstream: 'nothing',
    log: / 418 FI fault_filter_abort /,
    stats: { [`http.main.fault.${inject}`]: 1 },
  }),
  row('both', 'main', [get('/both')], {
    status: 503,
    log: / 503 DI,FI fault_filter_abort /,
    stats: { 'http.main.fault.delays_injected': 1, [`http.main.fault.${inject}`]: 1 },
  }),
  row(
    'a delay of a body',
    'main',
    [request('POST', '/delay', ['content-length: 5'], 'hello')],
    { status: 200, log: / DI / },
    ['POST'],
  ),
  row(
    'an abort of a body',
    'main',
    [request('POST', '/abort', ['content-length: 5'], 'hello')],
    { status: 418 },
    ['POST'],
  ),
  row('a share of none', 'main', [get('/never')], { status: 200 }),
  row('no share', 'main', [get('/no-share')], { status: 200 }),
  row('a share in millionths', 'main', [get('/million')], { status: 503 }),
  row(
    'gRPC, to gRPC',
    'main',
    [request('POST', '/grpc', [GRPC, 'content-length: 0'])],
    {
      status: 200,
      client: [/^grpc-status: 7$/, /^grpc-message: fault filter abort$/],
      log: / 200 FI /,
    },
    ['POST'],
  ),
  row('gRPC, to what is none', 'main', [get('/grpc')], { status: 200, client: /"fault filter abort"/ }),
  row(
    'HTTP, to gRPC',
    'main',
    [request('POST', '/abort', [GRPC, 'content-length: 0'])],
    { status: 200, client: /^grpc-status: / },
    ['POST'],
  ),
  row('a body of its own', 'main', [get('/body')], { status: 500, client: /"on purpose"/ }),
  row('for this cluster', 'main', [get('/cluster/a')], { status: 503 }),
  row('for another cluster', 'main', [get('/cluster/b')], { status: 200 }),
  row('for this node', 'main', [get('/nodes', 'x-envoy-downstream-service-node: two')], { status: 503 }),
  row('for another node', 'main', [get('/nodes', 'x-envoy-downstream-service-node: three')], { status: 200 }),
  row('for no node', 'main', [get('/nodes')], { status: 200 }),
  row('a header that matches', 'main', [get('/headers', 'x-fault: yes')], { status: 503 }),
  row('a header that does not match', 'main', [get('/headers', 'x-fault: no')], { status: 200 }),
  row('more than may be active', 'main', [get('/none')], {
    status: 200,
    stats: { 'http.main.fault.faults_overflow': 1 },
  }),
  row('counted by its caller', 'main', [get('/abort', 'x-envoy-downstream-service-cluster: shop')], {
    status: 418,
    stats: { [`http.main.fault.shop.${inject}`]: 1, [`http.main.fault.${inject}`]: 1 },
  }),
  row('not counted by its caller', 'main', [get('/quiet', 'x-envoy-downstream-service-cluster: quiet')], {
    status: 503,
  }),
  row('tells why', 'main', [get('/told')], { status: 503, log: /why=test n=2 / }),
  row('of a weighted cluster', 'main', [get('/weighted')], { status: 451 }),
  row('none on this route', 'main', [get('/empty')], { status: 200 }),
  row('a direct response', 'main', [get('/direct')], { status: 503 }),
  row('no route', 'main', [get('/nowhere')], { status: 404 }),
  row('an abort is not retried', 'main', [get('/retried')], {
    status: 503,
    upstream: 'nothing',
    log: / 503 FI /,
  }),
  row('a delay is not part of the timeout', 'main', [get('/timeout')], { status: 200, log: / 200 DI / }),
  row('a delay is not part of a try, and made once', 'main', [get('/again-delay')], {
    status: 200,
    log: / 200 DI via_upstream /,
    stats: { 'http.main.fault.delays_injected': 1 },
  }),
  row('an abort after a delay is not retried', 'main', [get('/again-both')], {
    status: 418,
    upstream: 'nothing',
    log: / 418 DI,FI /,
    stats: { 'http.main.fault.delays_injected': 1, [`http.main.fault.${inject}`]: 1 },
  }),
  row(
    'an abort of gRPC is not retried',
    'main',
    [request('POST', '/again-grpc', [GRPC, 'content-length: 0'])],
    {
      client: /^grpc-status: 14$/,
      upstream: 'nothing',
      stats: { [`http.main.fault.${inject}`]: 1 },
    },
    ['POST'],
  ),
  {
    ...row('a retry of a failing endpoint is not delayed again', 'main', [get('/failing')], {
      status: 200,
      log: / 200 DI /,
      stats: { 'http.main.fault.delays_injected': 1, 'cluster.a.upstream_rq_retry': 1 },
    }),
    answers: {
      a: onHttp1(({ attempt, write }) => write(answer(attempt === 1 ? 503 : 200))),
    },
  },
  row(
    'a delay is not part of the timeout that a request asks for',
    'main',
    [get('/asks', 'x-envoy-upstream-rq-timeout-ms: 1000')],
    { status: 200, log: / 200 DI / },
  ),
  row('a delay does not make a try slow', 'main', [get('/hedged')], {
    status: 200,
    log: / 200 DI /,
    stats: { 'http.main.fault.delays_injected': 1 },
  }),
  {
    ...row('a slow response', 'main', [get('/limited')], {
      status: 200,
      client: /body by length: 9000 bytes/,
      stats: { 'http.main.fault.response_rl_injected': 1 },
    }),
    answers: { a: `HTTP/1.1 200 OK\r\ncontent-length: ${BIG}\r\n\r\n${'x'.repeat(BIG)}` },
  },
  row('a slow response without a body', 'main', [request('HEAD', '/limited')], { status: 200 }, ['HEAD']),
  {
    ...row('a slow response over HTTP/2', 'main', [], { status: 200 }),
    play: http2([h2Get('/limited')]),
  },
  row('of the listener, without a route', 'all', [get('/nowhere')], { status: 503, log: / 503 FI / }),
  row('of the listener', 'all', [get('/plain')], { status: 503 }),
  row('asked for: an abort', 'asked', [get('/x', 'x-envoy-fault-abort-request: 429')], { status: 429 }),
  row('asked for: no status', 'asked', [get('/x', 'x-envoy-fault-abort-request: 99')], { status: 200 }),
  row('asked for: no number', 'asked', [get('/x', 'x-envoy-fault-abort-request: 4xx')], { status: 200 }),
  row('asked for: nothing', 'asked', [get('/x')], { status: 200 }),
  row(
    'asked for: gRPC',
    'asked',
    [request('POST', '/x', [GRPC, 'content-length: 0', 'x-envoy-fault-abort-grpc-request: 5'])],
    {
      client: /^grpc-status: 5$/,
    },
    ['POST'],
  ),
  row(
    'asked for: both',
    'asked',
    [
      request('POST', '/x', [
        GRPC,
        'content-length: 0',
        'x-envoy-fault-abort-grpc-request: 5',
        'x-envoy-fault-abort-request: 429',
      ]),
    ],
    {
      client: /^grpc-status: 14$/,
    },
    ['POST'],
  ),
  row(
    'asked for: an abort of no share',
    'asked',
    [get('/x', 'x-envoy-fault-abort-request: 429', 'x-envoy-fault-abort-request-percentage: 0')],
    { status: 200 },
  ),
  row(
    'asked for: an abort of more than there is',
    'asked',
    [get('/x', 'x-envoy-fault-abort-request: 429', 'x-envoy-fault-abort-request-percentage: 1000')],
    { status: 429 },
  ),
  row('asked for: a delay', 'asked', [get('/x', 'x-envoy-fault-delay-request: 30')], {
    status: 200,
    log: / 200 DI /,
  }),
  row('asked for: a delay of nothing', 'asked', [get('/x', 'x-envoy-fault-delay-request: 0')], {
    status: 200,
    log: / 200 - /,
  }),
  row(
    'asked for: a delay of no share',
    'asked',
    [get('/x', 'x-envoy-fault-delay-request: 30', 'x-envoy-fault-delay-request-percentage: 0')],
    { log: / 200 - / },
  ),
  row('asked for: a slow response', 'asked', [get('/x', 'x-envoy-fault-throughput-response: 100')], {
    status: 200,
    stats: { 'http.asked.fault.response_rl_injected': 1 },
  }),
  row('asked for: a response of no speed', 'asked', [get('/x', 'x-envoy-fault-throughput-response: 0')], {
    status: 200,
  }),
  {
    ...row('the client goes while it is delayed', 'main', [], { log: / 0 DC,DI | 0 DI,DC / }),
    play: http1(
      [
        get('/long'),
        {
          act: async ({ admin }) => {
            for (;;) {
              if (/fault.active_faults: 1/.test(await admin('/stats?filter=active_faults'))) return;
            }
          },
        },
        { end: true },
      ],
      { noProbe: true, methods: [] },
    ),
  },
];

export const groups: readonly Group[] = [
  {
    name: 'faults',
    backends: { a: http1Backend() },
    bootstrap: ({ ports }) =>
      bootstrap(
        [
          httpListener('main', {
            filters: [fault({})],
            routes: [...routes, route('/long', {}, byRoute({ delay: { fixed_delay: '20s', ...share() } }))],
            log: ['why=%DYNAMIC_METADATA(fault:why)%', 'n=%DYNAMIC_METADATA(fault:n)%', '.'],
          }),
          httpListener('all', { filters: [fault(abort(503))], routes: [route('/plain')] }),
          httpListener('asked', {
            filters: [
              fault({
                abort: { header_abort: {}, ...share() },
                delay: { header_delay: {}, ...share() },
                response_rate_limit: { header_limit: {}, ...share() },
              }),
            ],
          }),
        ],
        [cluster('a', [ports.a!])],
      ),
    cases,
  },
];

if (import.meta.main) compare(groups);
