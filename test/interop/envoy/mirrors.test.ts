/** Copies of requests for other clusters, whose answers nobody waits for. */
import { onHttp1 } from './backend/exchange.ts';
import { http1 as http1Backend } from './backend/http1.ts';
import {
  bootstrap,
  cluster,
  httpListener,
  type Message,
  protocolOptions,
  route,
} from './harness/bootstrap.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, head, http1, request, type Step } from './wire/http1.ts';
import { h2Get, http2 } from './wire/http2.ts';

/** What a copy of a request shows once it is there. */
const atB = (pattern: RegExp): Step => ({ saw: pattern, at: 'b' });

const row = (
  name: string,
  steps: readonly Step[],
  expect: Expectation,
  more: Partial<Case> & { readonly methods?: readonly string[] } = {},
): Case => {
  const { methods = ['GET'], ...rest } = more;
  return {
    ...{ name: `mirror: ${name}`, covers: 'mirrors', on: 'main', expect, inAnyOrder: true },
    play: http1(steps, { methods }),
    ...rest,
  };
};

const to = (fields: Message = {}): Message => ({ request_mirror_policies: [{ cluster: 'b', ...fields }] });
const share = (numerator: number, runtime_key?: string): Message => ({
  runtime_fraction: { default_value: { numerator, denominator: 'HUNDRED' }, runtime_key },
});

const routes: readonly Message[] = [
  route('/plain', to()),
  route('/all', to(share(100))),
  route('/none', to(share(0))),
  route('/by-key', to(share(100, 'mirrors.off'))),
  route('/as-is', to({ disable_shadow_host_suffix_append: true })),
  route('/header', to({ cluster: '', cluster_header: 'x-mirror' })),
  route('/host', to({ host_rewrite_literal: 'copy.example' })),
  route('/host-as-is', to({ host_rewrite_literal: 'copy.example', disable_shadow_host_suffix_append: true })),
  route(
    '/changed',
    to({
      request_headers_mutations: [
        { append: { header: { key: 'x-copy', value: '%REQ(x-test)%' } } },
        { remove: 'x-secret' },
      ],
    }),
  ),
  route('/two', { request_mirror_policies: [{ cluster: 'b' }, { cluster: 'c' }] }),
  route('/nowhere', to({ cluster: 'nowhere' })),
  route('/gone', to({ cluster: 'gone' })),
  route('/refused', to({ cluster: 'refused' })),
  route(
    '/rewritten',
    { ...to(), prefix_rewrite: '/new', host_rewrite_literal: 'new.example' },
    { request_headers_to_add: [{ header: { key: 'x-added', value: 'one' } }] },
  ),
  route('/retried', { ...to(), retry_policy: { retry_on: '5xx', num_retries: 2 } }),
  route('/timeout', { ...to(), timeout: '0.2s' }),
  route('/of-host'),
];

const own: Message = { name: 'own', domains: ['own.example'], routes: [route('/')], ...to() };
const table: Message = { request_mirror_policies: [{ cluster: 'c' }] };
const post = (path: string, body: string): Step =>
  request('POST', path, [`content-length: ${body.length}`], body);
const POST = { methods: ['POST'] };
const slow = onHttp1(async (x) => {
  await x.cue();
  x.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
});

const cases: readonly Case[] = [
  row('a copy', [get('/plain'), atB(/GET \/plain/)], {
    status: 200,
    upstream: [/^a\| GET \/plain/, /^b\| host: test\.example-shadow$/],
    stats: { 'cluster.b.upstream_rq_200': 1 },
  }),
  row('a body', [post('/plain', 'hello'), atB(/hello/)], { status: 200, upstream: /^b\| .*hello/ }, POST),
  row(
    'a body in chunks',
    [
      request('POST', '/plain', ['transfer-encoding: chunked'], '3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n'),
      atB(/abcde/),
    ],
    { status: 200 },
    POST,
  ),
  row(
    'an empty body',
    [request('POST', '/plain', ['content-length: 0']), atB(/POST/)],
    { status: 200 },
    POST,
  ),
  row('a share of all', [get('/all'), atB(/GET \/all/)], { upstream: /^b\| / }),
  row('a share of none', [get('/none')], { status: 200, never: /^b\|/ }),
  row('none, as the runtime says', [get('/by-key')], { status: 200, never: /^b\|/ }),
  row('a host as it is', [get('/as-is'), atB(/GET/)], { upstream: /^b\| host: test\.example$/ }),
  row(
    'a host with a port',
    [head('GET /plain HTTP/1.1', 'host: test.example:81', 'x-test: @ID@'), atB(/GET/)],
    { upstream: /^b\| host: test\.example-shadow:81$/ },
  ),
  row('a host of IPv6', [head('GET /plain HTTP/1.1', 'host: [::1]', 'x-test: @ID@'), atB(/GET/)], {
    upstream: /^b\| host: /,
  }),
  row(
    'a host of IPv6 with a port',
    [head('GET /plain HTTP/1.1', 'host: [::1]:81', 'x-test: @ID@'), atB(/GET/)],
    { upstream: /^b\| host: / },
  ),
  row('another host', [get('/host'), atB(/GET/)], { upstream: /^b\| host: copy\.example/ }),
  row('another host as it is', [get('/host-as-is'), atB(/GET/)], { upstream: /^b\| host: copy\.example$/ }),
  row('a cluster that a header names', [get('/header', 'x-mirror: b'), atB(/GET/)], { upstream: /^b\| GET/ }),
  row('no header that names a cluster', [get('/header')], { status: 200, never: /^b\|/ }),
  row('changed headers', [get('/changed', 'x-secret: 1'), atB(/GET/)], {
    upstream: [/^b\| x-copy: /, /^a\| x-secret: 1/],
    never: /^b\| x-secret/,
  }),
  row('two copies', [get('/two'), atB(/GET/), { saw: /GET/, at: 'c' }], {
    upstream: [/^b\| GET/, /^c\| GET/],
  }),
  row('a cluster that is not there', [get('/nowhere')], { status: 200 }),
  row('a cluster without endpoints', [get('/gone')], {
    status: 200,
    stats: { 'cluster.gone.upstream_cx_none_healthy': 1 },
  }),
  row('a cluster that cannot be reached', [get('/refused')], {
    status: 200,
    stats: { 'cluster.refused.upstream_cx_connect_fail': 1 },
  }),
  row('what the route makes of the request', [get('/rewritten'), atB(/GET/)], {
    upstream: [/^b\| GET \/new HTTP/, /^b\| host: new\.example-shadow$/, /^b\| x-added: one$/],
  }),
  row(
    'of a request that is retried',
    [get('/retried'), atB(/GET/)],
    {
      status: 503,
      stats: { 'cluster.b.upstream_rq_total': 1, 'cluster.a.upstream_rq_total': 3 },
    },
    { answers: { a: 'HTTP/1.1 503 no\r\ncontent-length: 0\r\n\r\n' } },
  ),
  row(
    'an answer that fails',
    [get('/plain'), atB(/GET/)],
    {
      status: 200,
      stats: { 'cluster.b.upstream_rq_500': 1 },
    },
    { answers: { b: 'HTTP/1.1 500 no\r\ncontent-length: 2\r\n\r\nno' } },
  ),
  row('a reset', [get('/plain'), atB(/GET/)], { status: 200 }, { answers: { b: onHttp1((x) => x.reset()) } }),
  row(
    'an answer that is slow',
    [get('/plain'), atB(/GET/), { cue: 'b' }],
    { status: 200 },
    { answers: { b: slow } },
  ),
  row(
    'an answer that is too slow',
    [get('/timeout'), atB(/GET/)],
    { status: 200, stats: { 'cluster.b.upstream_rq_timeout': 1, 'cluster.b.upstream_rq_504': 1 } },
    { answers: { b: onHttp1(() => {}) } },
  ),
  row('HEAD', [request('HEAD', '/plain'), atB(/HEAD/)], { status: 200 }, { methods: ['HEAD'] }),
  row(
    'headers that steer retries',
    [get('/plain', 'x-envoy-max-retries: 3', 'x-envoy-retry-on: 5xx'), atB(/GET/)],
    {
      status: 200,
    },
  ),
  row('of the host', [head('GET /x HTTP/1.1', 'host: own.example', 'x-test: @ID@'), atB(/GET/)], {
    upstream: /^b\| /,
    never: /^c\|/,
  }),
  row('of the table', [get('/of-host'), { saw: /GET/, at: 'c' }], { upstream: /^c\| / }),
  {
    ...{ name: 'mirror: of HTTP/2', covers: 'mirrors', on: 'main', inAnyOrder: true },
    play: async (play) => {
      const view = await http2([h2Get('/plain')])(play);
      return view;
    },
    expect: { status: 200, upstream: /^b\| host: test\.example-shadow$/ },
  },
];

export const groups: readonly Group[] = [
  {
    name: 'mirrors',
    backends: { a: http1Backend(), b: http1Backend(), c: http1Backend() },
    bootstrap: ({ ports }) =>
      bootstrap(
        [
          httpListener('main', {
            hosts: [own, { name: 'all', domains: ['*'], routes }],
            table,
          }),
        ],
        [
          cluster('a', [ports.a!]),
          cluster('b', [ports.b!]),
          cluster('c', [ports.c!]),
          cluster('gone', []),
          cluster('refused', [1]),
        ],
        { layered_runtime: { layers: [{ name: 'static', static_layer: { 'mirrors.off': 0 } }] } },
      ),
    cases,
  },
  {
    name: 'mirrors of a cluster',
    backends: { a: http1Backend(), b: http1Backend(), c: http1Backend() },
    bootstrap: ({ ports }) =>
      bootstrap(
        [
          httpListener('main', {
            routes: [route('/own', { request_mirror_policies: [{ cluster: 'c' }] }), route('/')],
          }),
        ],
        [
          cluster(
            'a',
            [ports.a!],
            protocolOptions({ explicit_http_config: { http_protocol_options: {} }, ...to() }),
          ),
          cluster('b', [ports.b!]),
          cluster('c', [ports.c!]),
        ],
      ),
    cases: [
      row('of the cluster', [get('/x'), atB(/GET/)], { upstream: /^b\| GET/ }),
      row('of the cluster and not of the route', [get('/own'), atB(/GET/)], {
        upstream: /^b\| GET/,
        never: /^c\|/,
      }),
    ],
  },
];

if (import.meta.main) compare(groups);
