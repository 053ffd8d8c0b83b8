/** The filter header_mutation: headers, trailers and queries. */
import { http1 as http1Backend } from './backend/http1.ts';
import { bootstrap, cluster, extension, httpListener, type Message, route } from './harness/bootstrap.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, http1, request, type Step } from './wire/http1.ts';

const row = (
  name: string,
  on: string,
  steps: readonly Step[],
  expect: Expectation,
  methods: readonly string[] = ['GET'],
): Case => ({
  ...{ name: `header_mutation: ${name}`, covers: 'header-mutation', on, expect },
  play: http1(steps, { methods }),
});

const set = (
  key: string,
  value: string,
  action = 'APPEND_IF_EXISTS_OR_ADD',
  more: Message = {},
): Message => ({
  append: { header: { key, value }, append_action: action, ...more },
});
const remove = (name: string): Message => ({ remove: name });
const byRoute = (mutations: Message): Message => ({
  typed_per_filter_config: {
    mutate: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute',
      mutations,
    },
  },
});
const filter = (mutations: Message, more: Message = {}): Message =>
  extension('mutate', 'filters.http.header_mutation.v3.HeaderMutation', { mutations, ...more });
const requests = (...request_mutations: readonly Message[]): Message => byRoute({ request_mutations });
const responses = (...response_mutations: readonly Message[]): Message => byRoute({ response_mutations });
const query = (...query_parameter_mutations: readonly Message[]): Message =>
  byRoute({ query_parameter_mutations });
const put = (key: string, value: string, action = 'APPEND_IF_EXISTS_OR_ADD'): Message => ({
  append: { record: { key, value }, action },
});
const OVERWRITE = 'OVERWRITE_IF_EXISTS_OR_ADD';

const routes: readonly Message[] = [
  route('/append', {}, requests(set('x-a', 'two'))),
  route('/absent', {}, requests(set('x-a', 'two', 'ADD_IF_ABSENT'))),
  route('/overwrite', {}, requests(set('x-a', 'two', OVERWRITE))),
  route('/exists', {}, requests(set('x-a', 'two', 'OVERWRITE_IF_EXISTS'))),
  route(
    '/empty',
    {},
    requests(set('x-empty', '', OVERWRITE), set('x-kept', '', OVERWRITE, { keep_empty_value: true })),
  ),
  route('/remove', {}, requests(remove('x-a'), remove('X-B'))),
  route('/matching', {}, requests({ remove_on_match: { key_matcher: { prefix: 'x-secret-' } } })),
  route(
    '/order',
    {},
    requests(set('x-a', '1'), remove('x-a'), set('x-a', '2'), set('x-a', '3', OVERWRITE), set('x-a', '4')),
  ),
  route(
    '/format',
    {},
    requests(set('x-path', '%REQ(:PATH)%'), set('x-both', '%REQ(:METHOD)% %PROTOCOL% 100%%')),
  ),
  route(
    '/response',
    {},
    responses(set('x-out', '%RESPONSE_CODE%'), remove('x-upstream'), set('server', 'mine', OVERWRITE)),
  ),
  route(
    '/trailers',
    {},
    byRoute({ response_trailers_mutations: [set('x-sum', 'more'), set('x-new', 'yes')] }),
  ),
  {
    match: { prefix: '/direct' },
    direct_response: { status: 299 },
    ...responses(set('x-direct', '%RESPONSE_CODE%')),
  },
  route('/query/append', {}, query(put('a', 'new'))),
  route('/query/absent', {}, query(put('a', 'new', 'ADD_IF_ABSENT'))),
  route('/query/overwrite', {}, query(put('a', '%REQ(X-A)%', OVERWRITE))),
  route('/query/exists', {}, query(put('a', 'new', 'OVERWRITE_IF_EXISTS'))),
  route('/query/remove', {}, query({ remove: 'a' })),
  route('/query/space', {}, query(put('s', 'a b&c=d'))),
  {
    match: { prefix: '/levels' },
    route: {
      weighted_clusters: {
        clusters: [
          {
            name: 'a',
            weight: 1,
            ...requests(set('x-level', 'cluster', OVERWRITE), set('x-all', 'cluster')),
          },
        ],
      },
    },
    ...requests(set('x-level', 'route', OVERWRITE), set('x-all', 'route')),
  },
  route('/'),
];

const cases: readonly Case[] = [
  row('appends', 'main', [get('/append', 'x-a: one')], { upstream: /x-a: one\na\| x-a: two/ }),
  row('adds where absent', 'main', [get('/absent')], { upstream: /x-a: two/ }),
  row('leaves what is there', 'main', [get('/absent', 'x-a: one')], {
    upstream: /x-a: one/,
    never: /x-a: two/,
  }),
  row('overwrites', 'main', [get('/overwrite', 'x-a: one', 'x-a: more')], {
    upstream: /x-a: two/,
    never: /x-a: (?:one|more)/,
  }),
  row('overwrites what exists', 'main', [get('/exists', 'x-a: one')], { upstream: /x-a: two/ }),
  row('does not add', 'main', [get('/exists')], { never: /x-a:/ }),
  row('empty values', 'main', [get('/empty')], { upstream: /x-kept:/, never: /x-empty/ }),
  row('removes', 'main', [get('/remove', 'x-a: one', 'x-b: two', 'x-c: three')], {
    upstream: /x-c: three/,
    never: /x-[ab]:/,
  }),
  row('removes what matches', 'main', [get('/matching', 'x-secret-a: 1', 'x-secret-b: 2', 'x-public: 3')], {
    upstream: /x-public/,
    never: /x-secret/,
  }),
  row('in order', 'main', [get('/order', 'x-a: 0')], { upstream: /x-a: 3\na\| x-a: 4/ }),
  row('formats', 'main', [get('/format?q=1')], {
    upstream: [/x-path: \/format\?q=1/, /x-both: GET HTTP\/1\.1 100%/],
  }),
  row('a response', 'main', [get('/response')], { client: /^x-out: 200$/, never: /^x-upstream/ }),
  row('trailers that are not passed on', 'main', [get('/trailers')], { status: 200 }),
  row('a direct response', 'main', [get('/direct')], { status: 299, client: /^x-direct: 299$/ }),
  row('an answer of our own', 'main', ['GET /x HTTP/1.1\r\nhost: nobody.example\r\nx-test: @ID@\r\n\r\n'], {
    status: 404,
    client: /^x-listener: 404$/,
  }),
  row('a query gets one more', 'main', [get('/query/append?b=2&a=1')], {
    upstream: /GET \/query\/append\?a=1&a=new&b=2 /,
  }),
  row('a query where there is none', 'main', [get('/query/append')], {
    upstream: /GET \/query\/append\?a=new /,
  }),
  row('a query that has it', 'main', [get('/query/absent?a=1')], { upstream: /absent\?a=1 / }),
  row('a query that has it not', 'main', [get('/query/absent?b')], { upstream: /GET/ }),
  row('a query that is overwritten', 'main', [get('/query/overwrite?a=1&a=2', 'x-a: x')], {
    upstream: /overwrite\?a=x /,
  }),
  row('a query without a value for it', 'main', [get('/query/overwrite?a=1')], { upstream: /GET/ }),
  row('a query that exists', 'main', [get('/query/exists?a=1')], { upstream: /exists\?a=new / }),
  row('a query that does not exist', 'main', [get('/query/exists?b=1')], { upstream: /exists\?b=1 / }),
  row('a query that loses one', 'main', [get('/query/remove?a=1&b=2')], { upstream: /remove\?b=2 / }),
  row('a query that loses all', 'main', [get('/query/remove?a=1')], { upstream: /GET \/query\/remove / }),
  row('a query with escapes', 'main', [get('/query/space?x=%20%26%zz&y=a+b&&z')], { upstream: /GET/ }),
  row('levels: the least specific wins', 'main', [get('/levels')], { upstream: /x-level: host/ }),
  row('levels: the most specific wins', 'specific', [get('/levels')], { upstream: /x-level: cluster/ }),
  row('a body', 'main', [request('POST', '/append', ['content-length: 2'], 'hi')], { status: 200 }, ['POST']),
];

export const groups: readonly Group[] = [
  {
    name: 'header mutation',
    backends: { a: http1Backend() },
    bootstrap: ({ ports }) => {
      const own = {
        response_mutations: [set('x-listener', '%RESPONSE_CODE%')],
        request_mutations: [set('x-all', 'listener')],
      };
      const hosts = [
        {
          name: 'all',
          domains: ['test.example'],
          routes,
          ...requests(set('x-level', 'host', OVERWRITE), set('x-all', 'host')),
        },
      ];
      return bootstrap(
        [
          httpListener('main', { hosts, filters: [filter(own)] }),
          httpListener('specific', {
            hosts,
            filters: [filter(own, { most_specific_header_mutations_wins: true })],
          }),
        ],
        [cluster('a', [ports.a!])],
      );
    },
    cases,
  },
];

if (import.meta.main) compare(groups);
