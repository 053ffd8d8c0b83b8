/** The filter local_ratelimit. Buckets fill so slowly that nothing comes back while a case runs. */
import { http1 as http1Backend } from './backend/http1.ts';
import { bootstrap, cluster, extension, httpListener, type Message, route } from './harness/bootstrap.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, http1, request, type Step } from './wire/http1.ts';

/** Several requests over one connection. */
const row = (name: string, on: string, steps: readonly Step[], expect: Expectation): Case => ({
  ...{ name: `local_ratelimit: ${name}`, covers: 'local-ratelimit', on, expect },
  play: http1(
    steps.flatMap((step, i) => (i === 0 ? [step] : [{ until: answers(i) }, step])),
    { methods: steps.map(() => 'GET'), noProbe: true },
  ),
});
const answers = (count: number): RegExp => new RegExp(`(?:HTTP/1\\.1 [\\s\\S]*?){${count}}\\r\\n\\r\\n`);

const TYPE = 'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit';
const all = { default_value: { numerator: 100, denominator: 'HUNDRED' } };
const bucket = (max: number, seconds = 3600): Message => ({
  token_bucket: { max_tokens: max, tokens_per_fill: max, fill_interval: `${seconds}s` },
});
const limit = (name: string, fields: Message): Message => ({
  stat_prefix: name,
  filter_enabled: all,
  filter_enforced: all,
  ...fields,
});
const limited = (name: string, path: string, fields: Message): Message =>
  route(
    path,
    {},
    {
      typed_per_filter_config: {
        limit: { '@type': `type.googleapis.com/${TYPE}`, ...limit(name, fields) },
      },
    },
  );
const key = (value: string): Message => ({ actions: [{ generic_key: { descriptor_value: value } }] });
const header = (name: string): Message => ({
  actions: [{ request_headers: { header_name: name, descriptor_key: name } }],
});
const descriptor = (max: number, ...entries: readonly (readonly [string, string])[]): Message => ({
  entries: entries.map(([name, value]) => ({ key: name, value })),
  ...bucket(max),
});

const routes: readonly Message[] = [
  limited('two', '/two', bucket(2)),
  limited('off', '/off', { ...bucket(1), filter_enabled: undefined }),
  limited('free', '/free', {
    ...bucket(1),
    filter_enforced: undefined,
    request_headers_to_add_when_not_enforced: [{ header: { key: 'x-limited', value: 'yes' } }],
  }),
  limited('status', '/own-status', { ...bucket(1), status: { code: 503 } }),
  limited('low', '/low', { ...bucket(1), status: { code: 201 } }),
  limited('headers', '/headers', {
    ...bucket(1),
    response_headers_to_add: [{ header: { key: 'x-why', value: '%REQ(:PATH)%' } }],
  }),
  limited('tells', '/tells', { ...bucket(2), enable_x_ratelimit_headers: 'DRAFT_VERSION_03' }),
  limited('grpc', '/grpc', bucket(1)),
  limited('exhausted', '/exhausted', { ...bucket(1), rate_limited_as_resource_exhausted: true }),
  limited('retry', '/retry', { ...bucket(1, 3600), enable_retry_after_header: true }),
  limited('users', '/users', {
    ...bucket(100),
    rate_limits: [header('x-user')],
    descriptors: [descriptor(1, ['x-user', 'one']), descriptor(2, ['x-user', 'two'])],
    enable_x_ratelimit_headers: 'DRAFT_VERSION_03',
  }),
  limited('both', '/both', {
    ...bucket(100),
    rate_limits: [
      {
        actions: [
          { generic_key: { descriptor_value: 'a' } },
          { request_headers: { header_name: ':method', descriptor_key: 'm' } },
        ],
      },
    ],
    descriptors: [descriptor(1, ['generic_key', 'a'], ['m', 'GET'])],
  }),
  limited('query', '/query', {
    ...bucket(100),
    rate_limits: [{ actions: [{ query_parameters: { query_parameter_name: 'q', descriptor_key: 'q' } }] }],
    descriptors: [descriptor(1, ['q', 'yes'])],
  }),
  limited('cluster', '/cluster', {
    ...bucket(100),
    rate_limits: [{ actions: [{ destination_cluster: {} }, { remote_address: {} }] }],
    descriptors: [descriptor(1, ['destination_cluster', 'a'], ['remote_address', '127.0.0.1'])],
  }),
  limited('match', '/match', {
    ...bucket(100),
    rate_limits: [
      {
        actions: [
          {
            header_value_match: {
              descriptor_value: 'v',
              headers: [{ name: 'x-m', string_match: { exact: 'y' } }],
            },
          },
        ],
      },
    ],
    descriptors: [descriptor(1, ['header_match', 'v'])],
  }),
  limited('default', '/default', {
    ...bucket(1),
    rate_limits: [key('k')],
    descriptors: [descriptor(5, ['generic_key', 'k'])],
    always_consume_default_token_bucket: false,
  }),
  limited('always', '/always', {
    ...bucket(1),
    rate_limits: [key('k')],
    descriptors: [descriptor(5, ['generic_key', 'k'])],
  }),
  { match: { prefix: '/direct' }, direct_response: { status: 299 } },
  route('/'),
];

const stat = (name: string, what: string): string => `${name}.http_local_rate_limit.${what}`;
const grpc = (path: string): Step => request('GET', path, ['content-type: application/grpc']);

const cases: readonly Case[] = [
  row('as many as there are tokens', 'main', [get('/two'), get('/two'), get('/two')], {
    status: [200, 200, 429],
    client: /"local_rate_limited"/,
    log: / 429 RL local_rate_limited /,
    stats: {
      [stat('two', 'enabled')]: 3,
      [stat('two', 'ok')]: 2,
      [stat('two', 'rate_limited')]: 1,
      [stat('two', 'enforced')]: 1,
    },
  }),
  row('not enabled', 'main', [get('/off'), get('/off')], { status: [200, 200] }),
  row('not enforced', 'main', [get('/free'), get('/free')], {
    status: [200, 200],
    upstream: /x-limited: yes/,
    stats: { [stat('free', 'rate_limited')]: 1 },
  }),
  row('a status of its own', 'main', [get('/own-status'), get('/own-status')], { status: [200, 503] }),
  row('a status that is none of an error', 'main', [get('/low'), get('/low')], { status: [200, 429] }),
  row('headers of the answer', 'main', [get('/headers'), get('/headers')], { client: /^x-why: \/headers$/ }),
  row('tells how much is left', 'main', [get('/tells'), get('/tells'), get('/tells')], {
    status: [200, 200, 429],
    client: [/^x-ratelimit-limit: 2$/, /^x-ratelimit-remaining: 1$/, /^x-ratelimit-reset: /],
  }),
  row('gRPC', 'main', [grpc('/grpc'), grpc('/grpc')], { client: /^grpc-status: 14$/ }),
  row('gRPC, resource exhausted', 'main', [grpc('/exhausted'), grpc('/exhausted')], {
    client: /^grpc-status: 8$/,
  }),
  row('tells when', 'main', [get('/retry'), get('/retry')], { client: /^retry-after: / }),
  row(
    'a bucket for each descriptor',
    'main',
    [
      get('/users', 'x-user: one'),
      get('/users', 'x-user: one'),
      get('/users', 'x-user: two'),
      get('/users', 'x-user: three'),
    ],
    {
      status: [200, 429, 200, 200],
    },
  ),
  row('no descriptor', 'main', [get('/users'), get('/users')], { status: [200, 200] }),
  row('two entries', 'main', [get('/both'), get('/both')], { status: [200, 429] }),
  row('a query', 'main', [get('/query?q=yes'), get('/query?q=no'), get('/query'), get('/query?q=yes')], {
    status: [200, 200, 200, 429],
  }),
  row('cluster and address', 'main', [get('/cluster'), get('/cluster')], { status: [200, 429] }),
  row(
    'a header that matches',
    'main',
    [get('/match', 'x-m: y'), get('/match', 'x-m: n'), get('/match', 'x-m: y')],
    { status: [200, 200, 429] },
  ),
  row('the bucket of all is not for those with another', 'main', [get('/default'), get('/default')], {
    status: [200, 200],
  }),
  row('the bucket of all is for all', 'main', [get('/always'), get('/always')], { status: [200, 429] }),
  row('of the listener, without a route', 'all', [get('/nowhere'), get('/nowhere')], { status: [404, 429] }),
  row('of the listener, a direct response', 'main', [get('/direct'), get('/direct')], { status: [299, 299] }),
];

export const groups: readonly Group[] = [
  {
    name: 'local rate limit',
    backends: { a: http1Backend() },
    bootstrap: ({ ports }) => {
      const filter = (fields: Message): Message =>
        extension('limit', 'filters.http.local_ratelimit.v3.LocalRateLimit', fields);
      return bootstrap(
        [
          httpListener('main', { filters: [filter({ stat_prefix: 'none' })], routes }),
          httpListener('all', { filters: [filter(limit('all', bucket(1)))], routes: [route('/plain')] }),
        ],
        [cluster('a', [ports.a!])],
      );
    },
    cases,
  },
];

if (import.meta.main) compare(groups);
