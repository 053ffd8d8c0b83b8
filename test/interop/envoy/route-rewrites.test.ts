/** What a route makes of a request: its path, its host, its headers and its deadline. */
import { http1 as http1Backend } from './backend/http1.ts';
import { bootstrap, cluster, extension, httpListener, type Message, route } from './harness/bootstrap.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, http1 } from './wire/http1.ts';

/** One route, and one request for it. */
interface Row {
  readonly name: string;
  readonly route: Message;
  readonly path: string;
  readonly headers?: readonly string[];
  readonly expect: Expectation;
}

const row = (
  name: string,
  path: string,
  of: Message,
  expect: Expectation,
  ...headers: readonly string[]
): Row => ({ name, path, route: of, expect, headers });

const sentAs = (path: string, ...more: readonly RegExp[]): Expectation => ({
  status: 200,
  upstream: [new RegExp(`^a\\| GET ${path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')} HTTP`), ...more],
});
const regex = (pattern: string, substitution: string): Message => ({
  regex_rewrite: { pattern: { regex: pattern }, substitution },
});
const to = (match: Message, action: Message): Message => ({ match, route: { cluster: 'a', ...action } });
const rewriteTemplate = (path_template: string, path_template_rewrite: string): Message => ({
  match: {
    path_match_policy: extension('t', 'path.match.uri_template.v3.UriTemplateMatchConfig', { path_template }),
  },
  route: {
    cluster: 'a',
    path_rewrite_policy: extension('t', 'path.rewrite.uri_template.v3.UriTemplateRewriteConfig', {
      path_template_rewrite,
    }),
  },
});

const paths: readonly Row[] = [
  row('a prefix by nothing but its slash', '/p1/x', route('/p1/', { prefix_rewrite: '/' }), sentAs('/x')),
  row('a prefix without its slash', '/p2/x', route('/p2', { prefix_rewrite: '/' }), sentAs('//x')),
  row('a whole path', '/w1?q=1', to({ path: '/w1' }, { prefix_rewrite: '/new' }), sentAs('/new?q=1')),
  row(
    'a prefix in any case',
    '/P3/x',
    to({ prefix: '/p3', case_sensitive: false }, { prefix_rewrite: '/new' }),
    sentAs('/new/x'),
  ),
  row(
    'a separated prefix',
    '/s1/x?q',
    to({ path_separated_prefix: '/s1' }, { prefix_rewrite: '/new/s' }),
    sentAs('/new/s/x?q'),
  ),
  row(
    'a regex match by a prefix_rewrite is the whole path',
    '/r1/42?q',
    to({ safe_regex: { regex: '/r1/[0-9]+' } }, { prefix_rewrite: '/new' }),
    sentAs('/new?q'),
  ),
  row(
    'groups in another order',
    '/r2/a/b?q=/r2/x/y',
    route('/r2', regex('^/r2/([^/]+)/([^/]+)$', '/\\2/\\1')),
    sentAs('/b/a?q=/r2/x/y'),
  ),
  row('every place of a pattern', '/r3/a-b-c', route('/r3', regex('-', '/')), sentAs('/r3/a/b/c')),
  row('a pattern that is nowhere', '/r4/x', route('/r4', regex('nowhere', 'z')), sentAs('/r4/x')),
  row('the whole match', '/r5/x', route('/r5', regex('/r5', '/\\0\\0')), sentAs('//r5/r5/x')),
  row(
    'variables of a template',
    '/t1/a/b?q',
    rewriteTemplate('/t1/{first}/{second}', '/{second}/{first}/end'),
    sentAs('/b/a/end?q'),
  ),
  row(
    'a variable of many segments of a template',
    '/t2/a/b/c',
    rewriteTemplate('/t2/{rest=**}', '/new/{rest}'),
    sentAs('/new/a/b/c'),
  ),
];

const hosts: readonly Row[] = [
  row(
    'a host by a header',
    '/h1',
    route('/h1', { host_rewrite_header: 'X-Want' }),
    sentAs('/h1', /host: want\.example$/, /x-want: want\.example/),
    'x-want: want.example',
  ),
  row(
    'a host by a header that is missing',
    '/h2',
    route('/h2', { host_rewrite_header: 'x-want' }),
    sentAs('/h2', /host: test\.example$/),
  ),
  row(
    'a host by the path',
    '/h3/two?x',
    route('/h3', {
      host_rewrite_path_regex: { pattern: { regex: '^/h3/(.+)$' }, substitution: '\\1.example' },
    }),
    sentAs('/h3/two?x', /host: two\.example$/),
  ),
  row(
    'the old host is forwarded',
    '/h4',
    route('/h4', { host_rewrite_literal: 'new.example', append_x_forwarded_host: true }),
    sentAs('/h4', /x-forwarded-host: test\.example/, /host: new\.example/),
  ),
  row(
    'the old host after others',
    '/h5',
    route('/h5', { host_rewrite_literal: 'new.example', append_x_forwarded_host: true }),
    sentAs('/h5', /x-forwarded-host: one\.example,? ?test\.example/),
    'x-forwarded-host: one.example',
  ),
  row(
    'the name of the endpoint',
    '/h6',
    route('/h6', { cluster: 'hosted', auto_host_rewrite: true }),
    sentAs('/h6', /host: endpoint\.example/),
  ),
  row(
    'the name of an endpoint without one',
    '/h7',
    route('/h7', { auto_host_rewrite: true }),
    sentAs('/h7', /host: /),
  ),
  row(
    'path and host at once',
    '/h8/x',
    route('/h8', { prefix_rewrite: '/new', host_rewrite_literal: 'new.example' }),
    sentAs('/new/x', /x-envoy-original-host: test\.example/, /x-envoy-original-path: \/h8\/x/),
  ),
];

const add = (key: string, value: string, append_action?: string, more: Message = {}): Message => ({
  header: { key, value },
  ...(append_action !== undefined && { append_action }),
  ...more,
});
const requestHeaders = (path: string, ...all: readonly Message[]): Message =>
  route(path, {}, { request_headers_to_add: all });
const responseHeaders = (path: string, ...all: readonly Message[]): Message =>
  route(path, { prefix_rewrite: '/echo' }, { response_headers_to_add: all });

const mutations: readonly Row[] = [
  row(
    'added to what is there',
    '/me',
    requestHeaders('/me', add('x-a', 'two')),
    { upstream: /x-a: one\na\| x-a: two/ },
    'x-a: one',
  ),
  row(
    'replaced only if there',
    '/m2',
    requestHeaders('/m2', add('x-a', 'new', 'OVERWRITE_IF_EXISTS'), add('x-b', 'new', 'OVERWRITE_IF_EXISTS')),
    { upstream: /x-a: new/, never: [/x-b/, /x-a: one/] },
    'x-a: one',
  ),
  row(
    'added unless there',
    '/m3',
    requestHeaders('/m3', add('x-a', 'new', 'ADD_IF_ABSENT'), add('x-b', 'new', 'ADD_IF_ABSENT')),
    { upstream: [/x-a: one/, /x-b: new/], never: /x-a: new/ },
    'x-a: one',
  ),
  row(
    'removed before it is added',
    '/m4',
    route('/m4', {}, { request_headers_to_add: [add('x-a', 'new')], request_headers_to_remove: ['X-A'] }),
    { upstream: /x-a: new/, never: /x-a: one/ },
    'x-a: one',
  ),
  row('an empty value, left out', '/m5', requestHeaders('/m5', add('x-a', '%REQ(x-none)%')), {
    status: 200,
    never: /x-a:/,
  }),
  row(
    'an empty value, kept',
    '/m6',
    requestHeaders('/m6', add('x-a', '', undefined, { keep_empty_value: true })),
    { upstream: /x-a:/ },
  ),
  row(
    'made of what is known of the request',
    '/m7?q=1',
    requestHeaders('/m7', add('x-a', '%REQ(:METHOD)% %PROTOCOL% %REQ(:PATH)% 100%%')),
    { upstream: /x-a: GET HTTP\/1\.1 \/m7\?q=1 100%$/ },
  ),
  row(
    'of the answer, replaced',
    '/m9',
    responseHeaders('/m9', add('x-upstream', 'new', 'OVERWRITE_IF_EXISTS_OR_ADD')),
    { client: /x-upstream: new/, never: /x-upstream: here/ },
  ),
  row(
    'of the answer, with its status',
    '/ma',
    responseHeaders('/ma', add('x-a', '%RESPONSE_CODE% %UPSTREAM_CLUSTER%')),
    { client: /x-a: 200 a$/ },
  ),
  row(
    'of the answer, with headers of the answer',
    '/mf',
    responseHeaders('/mf', add('x-a', '%RESP(X-UPSTREAM)% %RESPONSE_CODE_DETAILS%')),
    { client: /x-a: here via_upstream$/ },
  ),
  row(
    'of a direct response, with its status',
    '/mg',
    {
      match: { prefix: '/mg' },
      direct_response: { status: 299 },
      response_headers_to_add: [add('x-a', '%RESPONSE_CODE% %RESPONSE_CODE_DETAILS%')],
    },
    { status: 299, client: /x-a: 0 direct_response$/ },
  ),
  row(
    'of an answer of the proxy, with its status',
    '/mh',
    route(
      '/mh',
      { cluster: 'gone' },
      { response_headers_to_add: [add('x-a', '%RESPONSE_CODE% %RESPONSE_FLAGS% %RESP(CONTENT-TYPE)%')] },
    ),
    { status: 503, client: /x-a: 0 UH/ },
  ),
  row(
    'of an answer of the proxy',
    '/mb',
    route('/mb', { cluster: 'gone' }, { response_headers_to_add: [add('x-a', 'mine')] }),
    { status: 503, client: /x-a: mine/ },
  ),
  row(
    'of the cluster that was chosen',
    '/mc',
    route('/mc', {
      cluster: undefined,
      weighted_clusters: {
        clusters: [
          {
            name: 'a',
            weight: 1,
            request_headers_to_add: [add('x-order', 'cluster')],
            response_headers_to_add: [add('x-a', 'chosen')],
            request_headers_to_remove: ['x-b'],
          },
        ],
      },
    }),
    { upstream: /x-order: cluster\na\| x-order: host/, client: /x-a: chosen/, never: /x-b/ },
    'x-b: one',
  ),
];

/** Whose is first, and whose is last and stays. */
const ofAll = (on: string, inOrder: RegExp, last: RegExp): readonly Row[] => [
  row(
    `route, host and table, each adding to it, ${on}`,
    '/m8',
    requestHeaders('/m8', add('x-order', 'route')),
    { upstream: inOrder },
  ),
  row(
    `route, host and table, each in place of it, ${on}`,
    '/md',
    requestHeaders('/md', add('x-last', 'route', 'OVERWRITE_IF_EXISTS_OR_ADD')),
    { upstream: last },
  ),
];
const general = ofAll(
  'the most general last',
  /x-order: route\na\| x-order: host\na\| x-order: table/,
  /x-last: table$/,
);
const specific = ofAll(
  'the most specific last',
  /x-order: table\na\| x-order: host\na\| x-order: route/,
  /x-last: route$/,
);

const call = (name: string, path: string, limits: Message, expect: Expectation, timeout: string): Row =>
  row(
    name,
    path,
    route(path, { prefix_rewrite: '/slow', timeout: '0.3s', max_stream_duration: limits }),
    expect,
    'content-type: application/grpc',
    ...(timeout === '' ? [] : [`grpc-timeout: ${timeout}`]),
  );
const exceeded: Expectation = { status: 200, client: /grpc-status: 4/ };
const deadlines: readonly Row[] = [
  call(
    'an offset before its end',
    '/g1',
    { grpc_timeout_header_max: '0s', grpc_timeout_header_offset: '9.9s' },
    exceeded,
    '10S',
  ),
  call('no limit to it', '/g2', { grpc_timeout_header_max: '0s' }, exceeded, '60m'),
  call(
    'one that is none',
    '/g3',
    { grpc_timeout_header_max: '5s', max_stream_duration: '0.1s' },
    { status: 200, client: /grpc-status: 4/ },
    'soon',
  ),
  call(
    'no header, another limit',
    '/g4',
    { grpc_timeout_header_max: '5s', max_stream_duration: '0.1s' },
    exceeded,
    '',
  ),
  call(
    'of nine digits',
    '/g5',
    { grpc_timeout_header_max: '5s', max_stream_duration: '0.1s' },
    exceeded,
    '100000000u',
  ),
];

const cases = (of: string, rows: readonly Row[], on = 'main'): readonly Case[] =>
  rows.map(
    ({ name, path, headers = [], expect }): Case => ({
      name: `${of}: ${name}`,
      covers: 'routing',
      on,
      play: http1([get(path, ...headers)]),
      expect,
    }),
  );

const order = (value: string): readonly Message[] => [
  add('x-order', value),
  add('x-last', value, 'OVERWRITE_IF_EXISTS_OR_ADD'),
];
const table = (most_specific_header_mutations_wins: boolean): Parameters<typeof httpListener>[1] => ({
  routes: [
    ...[...paths, ...hosts, ...mutations, ...general, ...deadlines].map(({ route: of }) => of),
    route('/'),
  ],
  host: { request_headers_to_add: order('host') },
  table: { request_headers_to_add: order('table'), most_specific_header_mutations_wins },
});

export const groups: readonly Group[] = [
  {
    name: 'what routes make of requests',
    backends: { a: http1Backend() },
    bootstrap: ({ ports: { a = 0 } }) =>
      bootstrap(
        [httpListener('main', table(false)), httpListener('specific', table(true))],
        [
          cluster('a', [a]),
          cluster('gone', []),
          cluster('hosted', [
            {
              endpoint: {
                hostname: 'endpoint.example',
                address: { socket_address: { address: '127.0.0.1', port_value: a } },
              },
            },
          ]),
        ],
      ),
    cases: [
      ...cases('rewrite', [...paths, ...hosts]),
      ...cases('mutation', [...mutations, ...general]),
      ...cases('mutation', specific, 'specific'),
      ...cases('grpc-timeout', deadlines),
    ],
  },
];

if (import.meta.main) compare(groups);
