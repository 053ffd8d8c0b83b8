/** Redirects of upstreams that the proxy follows itself. */
import { type Http1Answer, onHttp1 } from './backend/exchange.ts';
import { http1 as http1Backend } from './backend/http1.ts';
import { bootstrap, cluster, extension, httpListener, type Message, route } from './harness/bootstrap.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, head, http1, request, type Step } from './wire/http1.ts';
import { h2Get, http2 } from './wire/http2.ts';

/** The backend sends requests below `/go` elsewhere, and answers all others with what it got. */
const go =
  (location: string, status = 302, more = ''): Http1Answer =>
  async (x) => {
    const body = await x.body();
    const isFirst = x.path.startsWith('/go');
    const where = location === '' ? '' : `location: ${location}\r\n`;
    if (isFirst) x.write(`HTTP/1.1 ${status} Go\r\n${where}${more}content-length: 2\r\n\r\ngo`);
    else x.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  };

interface More extends Partial<Case> {
  readonly methods?: readonly string[];
  readonly status?: number;
  /** More lines of the redirect. */
  readonly lines?: string;
}

const row = (
  name: string,
  location: string,
  steps: readonly Step[],
  expect: Expectation,
  more: More = {},
): Case => {
  const { methods = ['GET'], status = 302, lines = '', ...rest } = more;
  return {
    ...{ name: `internal redirect: ${name}`, covers: 'internal-redirects', on: 'main', expect },
    play: http1(steps, { methods }),
    answers: { a: onHttp1(go(location, status, lines)) },
    logLines: 2,
    ...rest,
  };
};

const follow = (policy: Message = {}): Message => ({ internal_redirect_policy: policy });
const predicate = (name: string, type: string, fields: Message = {}): Message =>
  extension(name, `internal_redirect.${type}`, fields);
const allowed = predicate('allow', 'allow_listed_routes.v3.AllowListedRoutesConfig', {
  allowed_route_names: ['target'],
});
const previous = predicate('previous', 'previous_routes.v3.PreviousRoutesConfig');
const safe = predicate('safe', 'safe_cross_scheme.v3.SafeCrossSchemeConfig');

const routes: readonly Message[] = [
  route('/go/plain', follow()),
  route('/go/codes', follow({ redirect_response_codes: [301, 303, 307, 308] })),
  route('/go/twice', follow({ max_internal_redirects: 2 })),
  route('/go/many', follow({ max_internal_redirects: 5, predicates: [previous] }), { name: 'many' }),
  route('/go/allowed', follow({ predicates: [allowed] })),
  route('/go/scheme', follow({ allow_cross_scheme_redirect: true })),
  route('/go/safe', follow({ allow_cross_scheme_redirect: true, predicates: [safe] })),
  route('/go/copied', follow({ response_headers_to_copy: ['x-copied', 'x-gone'] })),
  route('/go/old', { internal_redirect_action: 'HANDLE_INTERNAL_REDIRECT' }),
  route('/go/not'),
  route('/go/none', follow({ max_internal_redirects: 0 })),
  route('/go/retried', { ...follow(), retry_policy: { retry_on: '5xx', num_retries: 1 } }),
  route(
    '/go/rewritten',
    { ...follow(), prefix_rewrite: '/go/new', host_rewrite_literal: 'new.example' },
    { request_headers_to_add: [{ header: { key: 'x-added', value: 'first' } }] },
  ),
  route(
    '/target',
    {},
    { name: 'target', request_headers_to_add: [{ header: { key: 'x-added', value: 'second' } }] },
  ),
  route('/elsewhere', { cluster: 'b' }, { name: 'elsewhere' }),
  { match: { prefix: '/direct' }, direct_response: { status: 299, body: { inline_string: 'here' } } },
  { match: { prefix: '/away' }, redirect: { host_redirect: 'away.example' } },
];

const TO = 'http://test.example/target';
const prefix = 'http.main.passthrough_internal_redirect_';
const failed = { 'cluster.a.upstream_internal_redirect_failed_total': 1 };
const done = { 'cluster.a.upstream_internal_redirect_succeeded_total': 1 };
const unfollowed = (reason: string, status = 302): Expectation => ({
  status,
  client: /^location: /,
  stats: { ...failed, ...(reason === '' ? {} : { [prefix + reason]: 1 }) },
});
const one: More = { logLines: 1 };
const post = (path: string, body: string): Step =>
  request('POST', path, [`content-length: ${body.length}`], body);
const POST = { methods: ['POST'] };

const cases: readonly Case[] = [
  row('one', TO, [get('/go/plain')], {
    status: 200,
    upstream: [/^a\| GET \/target HTTP/, /^a\| x-envoy-original-url: http:\/\/test\.example\/go\/plain$/],
    log: [/ 302 - internal_redirect /, / 200 - via_upstream /],
    stats: done,
  }),
  row('with a query', `${TO}?a=b`, [get('/go/plain?c=d')], {
    status: 200,
    upstream: [/GET \/target\?a=b HTTP/, /original-url: http:\/\/test\.example\/go\/plain\?c=d$/],
  }),
  row('with a fragment', `${TO}#part`, [get('/go/plain')], { status: 200, upstream: /GET \/target HTTP/ }),
  row('with no path', 'http://test.example', [get('/go/plain')], unfollowed('no_route'), one),
  row('with only a query', 'http://test.example?a', [get('/go/plain')], unfollowed('no_route'), one),
  row('to another host', 'http://other.example:81/target', [get('/go/plain')], {
    status: 200,
    upstream: /^a\| host: other\.example:81$/,
  }),
  row('to IPv6', 'http://[::1]:81/target', [get('/go/plain')], {
    status: 200,
    upstream: /^a\| host: \[::1\]:81$/,
  }),
  row('to a host in capitals', 'HTTP://Test.Example/target', [get('/go/plain')], { status: 200 }),
  row('to a user', 'http://user@test.example/target', [get('/go/plain')], { status: 200 }, { logLines: 0 }),
  row('to another cluster', 'http://test.example/elsewhere', [get('/go/plain')], {
    status: 200,
    upstream: /^b\| /,
  }),
  row('to a direct response', 'http://test.example/direct', [get('/go/plain')], {
    status: 299,
    client: /here/,
  }),
  row('to a redirect', 'http://test.example/away', [get('/go/plain')], {
    status: 301,
    client: /location: http:\/\/away\.example\/away/,
  }),
  row('to where TLS is asked for', 'http://tls.example/x', [get('/go/plain')], { status: 301 }),
  row('to no route', 'http://test.example/nothing', [get('/go/plain')], unfollowed('no_route'), one),
  row('to no host', 'http://nobody.example/target', [get('/go/plain')], { status: 200 }),
  row(
    'to a path that is to be made normal',
    'http://test.example/x/../target',
    [get('/go/plain')],
    { status: 302 },
    { logLines: 0 },
  ),
  row('a path without a host', '/target', [get('/go/plain')], unfollowed('bad_location'), one),
  row('nothing that is a URL', '://', [get('/go/plain')], unfollowed('bad_location'), one),
  row('another scheme', 'ftp://test.example/target', [get('/go/plain')], unfollowed('unsafe_scheme'), {
    logLines: 0,
  }),
  row('no location', '', [get('/go/plain')], { status: 302, stats: failed }, one),
  row('an empty location', ' ', [get('/go/plain')], { status: 302 }, one),
  row('to https', 'https://test.example/target', [get('/go/plain')], unfollowed('unsafe_scheme'), one),
  row('to https, which is allowed', 'https://test.example/target', [get('/go/scheme')], { status: 200 }),
  row(
    'to https, which is not safe',
    'https://test.example/target',
    [get('/go/safe')],
    unfollowed('predicate'),
    one,
  ),
  row('to http, which is safe', TO, [get('/go/safe')], { status: 200 }),
  row('a status that is not among the codes', TO, [get('/go/codes')], { status: 302 }, one),
  ...[301, 303, 307, 308].map((status) =>
    row(`a ${status}`, TO, [get('/go/codes')], { status: 200, stats: done }, { status }),
  ),
  row('a 301 where only 302 is followed', TO, [get('/go/plain')], { status: 301 }, { ...one, status: 301 }),
  row(
    'a body',
    TO,
    [post('/go/plain', 'hello')],
    { status: 200, client: /hello/, upstream: /POST \/target/ },
    POST,
  ),
  row('a 307 of a body', TO, [post('/go/codes', 'hello')], { client: /hello/ }, { ...POST, status: 307 }),
  row(
    'a 303 of a body',
    TO,
    [post('/go/codes', 'hello')],
    { status: 200, upstream: /GET \/target/ },
    { ...POST, status: 303 },
  ),
  row(
    'a 303 of HEAD',
    TO,
    [request('HEAD', '/go/codes')],
    { upstream: /HEAD \/target/ },
    { methods: ['HEAD'], status: 303 },
  ),
  row(
    'a body that is too large to keep',
    TO,
    [post('/go/plain', 'x'.repeat(40_000))],
    { ...unfollowed(''), stats: { ...failed, 'cluster.a.retry_or_shadow_abandoned': 1 } },
    { ...POST, logLines: 1 },
  ),
  row(
    'a body in chunks',
    TO,
    [request('POST', '/go/plain', ['transfer-encoding: chunked'], '3\r\nabc\r\n0\r\n\r\n')],
    { client: /abc/ },
    POST,
  ),
  row(
    'a request that is not complete',
    TO,
    [request('POST', '/go/plain', ['content-length: 5'], 'he')],
    { status: 302, stats: failed },
    {
      ...POST,
      logLines: 1,
      answers: {
        a: onHttp1((x) => x.write(`HTTP/1.1 302 Go\r\nlocation: ${TO}\r\ncontent-length: 0\r\n\r\n`)),
      },
    },
  ),
  row('a second one', 'http://test.example/go/plain', [get('/go/plain')], {
    status: 302,
    stats: { ...done, ...failed, [`${prefix}too_many_redirects`]: 1 },
  }),
  row(
    'three where two are allowed',
    'http://test.example/go/twice',
    [get('/go/twice')],
    { status: 302 },
    { logLines: 3 },
  ),
  row('none is allowed', TO, [get('/go/none')], unfollowed('too_many_redirects'), one),
  row('back to the same route', 'http://test.example/go/many', [get('/go/many')], {
    status: 302,
    stats: { ...done, [`${prefix}predicate`]: 1 },
  }),
  row('to a route that is allowed', TO, [get('/go/allowed')], { status: 200 }),
  row(
    'to a route that is not allowed',
    'http://test.example/elsewhere',
    [get('/go/allowed')],
    unfollowed('predicate'),
    one,
  ),
  row(
    'headers of the response',
    TO,
    [get('/go/copied', 'x-copied: old', 'x-gone: old')],
    {
      upstream: [/x-copied: new1/],
    },
    { lines: 'x-copied: new1\r\nx-copied: new2\r\n' },
  ),
  row('as it was once said', TO, [get('/go/old')], { status: 200, stats: done }),
  row('where none is followed', TO, [get('/go/not')], { status: 302 }, one),
  row('after a rewrite', TO, [get('/go/rewritten')], {
    status: 200,
    upstream: /x-envoy-original-url: http:\/\/new\.example\/go\/new$/,
  }),
  row(
    'after a retry',
    TO,
    [get('/go/retried')],
    { status: 200 },
    {
      answers: {
        a: onHttp1(async (x) => {
          if (x.attempt === 1) x.write('HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n');
          else await go(TO)(x);
        }),
      },
    },
  ),
  row(
    'two requests on one connection',
    TO,
    [get('/go/plain'), { until: /HTTP/ }, get('/go/plain')],
    {
      status: [200, 200],
    },
    { methods: ['GET', 'GET'], logLines: 4 },
  ),
  row(
    'two requests at once',
    TO,
    [
      head(
        'GET /go/plain HTTP/1.1',
        'host: test.example',
        'x-test: @ID@',
        '',
        'GET /go/plain HTTP/1.1',
        'host: test.example',
        'x-test: @ID@',
      ),
    ],
    { status: [200, 200] },
    { methods: ['GET', 'GET'], logLines: 4 },
  ),
  row('forwarded headers are not added again', TO, [get('/go/plain', 'x-forwarded-for: 1.2.3.4')], {
    status: 200,
  }),
  {
    ...row('over HTTP/2', TO, [], { status: 200, stats: done }),
    play: http2([h2Get('/go/plain')]),
  },
];

export const groups: readonly Group[] = [
  {
    name: 'internal redirects',
    backends: { a: http1Backend(), b: http1Backend() },
    bootstrap: ({ ports }) =>
      bootstrap(
        [
          httpListener(
            'main',
            {
              hosts: [
                { name: 'tls', domains: ['tls.example'], require_tls: 'ALL', routes: [route('/')] },
                { name: 'all', domains: ['*'], routes },
              ],
              hcm: { normalize_path: true },
            },
            { per_connection_buffer_limit_bytes: 32_768 },
          ),
        ],
        [cluster('a', [ports.a!], { per_connection_buffer_limit_bytes: 32_768 }), cluster('b', [ports.b!])],
      ),
    cases,
  },
];

if (import.meta.main) compare(groups);
