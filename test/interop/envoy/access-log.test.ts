/** Lines of access logs: what operators find, in text and JSON, and which requests are logged. */
import { onHttp2 } from './backend/exchange.ts';
import { http1 as http1Backend } from './backend/http1.ts';
import { http2 as http2Backend } from './backend/http2.ts';
import {
  bootstrap,
  cluster,
  extension,
  http2Cluster,
  httpListener,
  type Message,
  route,
} from './harness/bootstrap.ts';
import type { Case, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, http1 } from './wire/http1.ts';
import { h2Get, http2 } from './wire/http2.ts';

const file = (format: Message, filter?: Message): Message => ({
  ...extension('log', 'access_loggers.file.v3.FileAccessLog', { path: '@LOG@', log_format: format }),
  ...(filter && { filter }),
});
const text = (format: string, more: Message = {}): Message => ({
  text_format_source: { inline_string: `%REQ(X-TEST)% ${format}\n` },
  ...more,
});

/** One listener for each: what is written, and what Envoy writes of a request. */
interface Row {
  readonly name: string;
  readonly format: string;
  readonly line: RegExp;
  readonly path?: string;
  readonly headers?: readonly string[];
  readonly status?: number;
}

const rows: readonly Row[] = [
  { name: 'long-flags', format: '%RESPONSE_FLAGS_LONG%', path: '/none', status: 404, line: /NoRouteFound$/ },
  { name: 'virtual-cluster', format: '%VIRTUAL_CLUSTER_NAME%', path: '/page/1', line: / pages$/ },
  { name: 'other-cluster', format: '%VIRTUAL_CLUSTER_NAME%', line: / -$/ },
  { name: 'no-cluster', format: '%VIRTUAL_CLUSTER_NAME%', path: '/none', status: 404, line: / -$/ },
  { name: 'no-long-flags', format: '%RESPONSE_FLAGS_LONG%', line: / -$/ },
  {
    name: 'upstream-flags',
    format: '%RESPONSE_FLAGS_LONG%',
    path: '/dead',
    status: 503,
    line: /UpstreamConnectionFailure$/,
  },
  {
    name: 'cluster-metadata',
    format: '%CLUSTER_METADATA(own:a)% %CLUSTER_METADATA(own:no)% %CLUSTER_METADATA(own:in:b)%',
    line: / text - 5$/,
  },
  { name: 'whole-metadata', format: '%CLUSTER_METADATA(own:in)%', line: /\{"b":5\}$/ },
  { name: 'upstream-metadata', format: '%UPSTREAM_METADATA(own:host)%', line: / yes$/ },
  { name: 'route-metadata', format: '%METADATA(ROUTE:own:r)%', line: / true$/ },
  { name: 'metadata-of-cluster', format: '%METADATA(CLUSTER:own:a)%', line: / text$/ },
  { name: 'metadata-of-host', format: '%METADATA(UPSTREAM_HOST:own:host)%', line: / yes$/ },
  {
    name: 'host-name',
    format: '%UPSTREAM_HOST_NAME% %UPSTREAM_HOST_NAME_WITHOUT_PORT%',
    line: / backend\.example backend\.example$/,
  },
  { name: 'no-host-name', format: '%UPSTREAM_HOST_NAME_WITHOUT_PORT%', path: '/two', line: / 127\.0\.0\.1$/ },
  { name: 'attempted', format: '%UPSTREAM_HOSTS_ATTEMPTED%', line: / 127\.0\.0\.1:BACKEND_a$/ },
  {
    name: 'attempted-in-vain',
    format: '%UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT%',
    path: '/dead',
    status: 503,
    line: / -$/,
  },
  { name: 'protocol-1', format: '%UPSTREAM_PROTOCOL%', line: / HTTP\/1\.1$/ },
  { name: 'protocol-2', format: '%UPSTREAM_PROTOCOL%', path: '/two', line: / HTTP\/2$/ },
  { name: 'protocol-none', format: '%UPSTREAM_PROTOCOL%', path: '/none', status: 404, line: / -$/ },
  {
    name: 'path',
    format: '%PATH% %PATH(NQ)% %PATH(WQ:PATH)%',
    path: '/p?a=b',
    line: / \/p\?a=b \/p \/p\?a=b$/,
  },
  {
    name: 'original-path',
    format: '%PATH(WQ:ORIG)% %PATH(WQ:PATH)% %PATH(NQ:ORIG_OR_PATH)%',
    path: '/old/x?a=b',
    line: / \/old\/x\?a=b \/new\/x\?a=b \/old\/x$/,
  },
  {
    name: 'query',
    format: '%QUERY_PARAM(a)% %QUERY_PARAM(none)% %QUERY_PARAM(e)%',
    path: '/q?b=1&a=2&e=',
    line: / 2 - *\S*$/,
  },
  { name: 'stream-id', format: '%STREAM_ID%', headers: ['x-request-id: given'], line: / [-\w]+$/ },
  { name: 'host', format: '%HOSTNAME%', line: / \S+$/ },
  { name: 'environment', format: '%ENVIRONMENT(HOME)% %ENVIRONMENT(NO_SUCH_THING)%', line: / \S+ -$/ },
  { name: 'trace', format: '%TRACE_ID% %SPAN_ID%', line: / - -$/ },
  { name: 'peer', format: '%DOWNSTREAM_PEER_SUBJECT% %DOWNSTREAM_PEER_FINGERPRINT_256%', line: / - -$/ },
  { name: 'not-grpc', format: '%GRPC_STATUS% %GRPC_STATUS_NUMBER%', line: / - -$/ },
];

const routes: readonly Message[] = [
  { match: { prefix: '/none-of-it' }, direct_response: { status: 200 } },
  route('/dead', {
    cluster: 'dead',
    retry_policy: { retry_on: 'connect-failure', retry_back_off: { base_interval: '0.001s' } },
  }),
  route('/two', { cluster: 'two' }),
  route('/old', { prefix_rewrite: '/new' }),
  {
    match: { safe_regex: { regex: '/(?:echo|p|q).*' } },
    route: { cluster: 'a' },
    metadata: { filter_metadata: { own: { r: true } } },
  },
];

const operators: readonly Case[] = rows.map(
  ({ name, line, path = '/echo', headers = [], status = 200 }): Case => ({
    name: `access log: ${name}`,
    covers: 'access-log',
    on: name,
    table: 'operators',
    play: http1([get(path, ...headers)], { noProbe: true }),
    expect: { status, log: line },
  }),
);

const grpcForms = '%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS(NUMBER)% %GRPC_STATUS_NUMBER%';

const grpcCase = (name: string, status: string, line: RegExp): Case => ({
  name: `access log: a status of gRPC ${name}`,
  covers: 'access-log',
  on: 'grpc',
  play: http2(
    [
      h2Get('/two/call', [
        ['content-type', 'application/grpc'],
        ['te', 'trailers'],
      ]),
    ],
    { noProbe: true },
  ),
  answers: {
    two: onHttp2(async ({ peer, stream, body }) => {
      await body();
      const type: [string, string] = ['content-type', 'application/grpc'];
      peer.headers(stream, [[':status', '200'], type, ['grpc-status', status]], true);
    }),
  },
  expect: { status: 200, log: line },
});

const json: readonly Case[] = [
  {
    name: 'access log: types of JSON',
    covers: 'access-log',
    on: 'json',
    play: http1([get('/echo')], { noProbe: true }),
    expect: { status: 200, log: /"code":200.*"in":\{"b":5\}/ },
  },
  {
    name: 'access log: JSON without what is empty',
    covers: 'access-log',
    on: 'json-omit',
    play: http1([get('/echo')], { noProbe: true }),
    expect: { status: 200, log: /^\{"code":200,"id":"\S+"\}$/ },
  },
  {
    name: 'access log: a text without what is empty',
    covers: 'access-log',
    on: 'text-omit',
    play: http1([get('/echo')], { noProbe: true }),
    expect: { status: 200, log: / \[\]\[200\]$/ },
  },
];

const filters: readonly (readonly [name: string, filter: Message, path: string, logged: boolean])[] = [
  ['not a health check', { not_health_check_filter: {} }, '/echo', true],
  [
    'a status',
    { status_code_filter: { comparison: { op: 'EQ', value: { default_value: 404, runtime_key: 'x' } } } },
    '/none',
    true,
  ],
  [
    'another status',
    { status_code_filter: { comparison: { op: 'NE', value: { default_value: 200, runtime_key: 'x' } } } },
    '/echo',
    false,
  ],
  ['a flag', { response_flag_filter: { flags: ['NR'] } }, '/none', true],
  ['another flag', { response_flag_filter: { flags: ['UH'] } }, '/none', false],
  [
    'all of a share',
    { runtime_filter: { runtime_key: 'x', percent_sampled: { numerator: 100 } } },
    '/echo',
    true,
  ],
  [
    'none of a share',
    { runtime_filter: { runtime_key: 'x', percent_sampled: { numerator: 0 } } },
    '/echo',
    false,
  ],
  ['a header', { header_filter: { header: { name: 'x-test', present_match: true } } }, '/echo', true],
];

const filtered: readonly Case[] = filters.map(
  ([name, , path, logged], i): Case => ({
    name: `access log: only of ${name}`,
    covers: 'access-log',
    on: `filter-${i}`,
    logLines: logged ? 1 : 0,
    play: http1([get(path)], { noProbe: true }),
    expect: logged ? { log: /case/ } : { log: 'nothing' },
  }),
);

const listenerOf = (name: string, log: Message): Message =>
  httpListener(name, {
    routes,
    host: {
      virtual_clusters: [
        { name: 'pages', headers: [{ name: ':path', string_match: { prefix: '/page' } }] },
        { name: 'answers', headers: [{ name: ':path', string_match: { prefix: '/none' } }] },
      ],
    },
    hcm: { access_log: [log] },
  });

export const groups: readonly Group[] = [
  {
    name: 'access log',
    backends: { a: http1Backend(), two: http2Backend() },
    bootstrap: ({ ports }) =>
      bootstrap(
        [
          ...rows.map(({ name, format }) => listenerOf(name, file(text(format)))),
          listenerOf('grpc', file(text(grpcForms))),
          listenerOf(
            'json',
            file({
              json_format: {
                id: '%REQ(X-TEST)%',
                code: '%RESPONSE_CODE%',
                in: '%CLUSTER_METADATA(own:in)%',
                flag: '%METADATA(ROUTE:own:r)%',
                none: '%GRPC_STATUS%',
                both: '%PROTOCOL% %RESPONSE_CODE%',
                list: ['%RESPONSE_CODE%', 'x'],
              },
              json_format_options: { sort_properties: true },
            }),
          ),
          listenerOf(
            'json-omit',
            file({
              json_format: { id: '%REQ(X-TEST)%', code: '%RESPONSE_CODE%', none: '%GRPC_STATUS%' },
              omit_empty_values: true,
              json_format_options: { sort_properties: true },
            }),
          ),
          listenerOf(
            'text-omit',
            file(text('[%GRPC_STATUS%][%RESPONSE_CODE%]', { omit_empty_values: true })),
          ),
          ...filters.map(([, filter], i) => listenerOf(`filter-${i}`, file(text('logged'), filter))),
        ],
        [
          cluster(
            'a',
            [
              {
                endpoint: {
                  hostname: 'backend.example',
                  address: { socket_address: { address: '127.0.0.1', port_value: ports.a! } },
                },
                metadata: { filter_metadata: { own: { host: 'yes' } } },
              },
            ],
            { metadata: { filter_metadata: { own: { a: 'text', in: { b: 5 } } } } },
          ),
          http2Cluster('two', [ports.two!]),
          cluster('dead', [1]),
        ],
      ),
    cases: [
      ...operators,
      grpcCase('that has a name', '4', /DeadlineExceeded DEADLINE_EXCEEDED 4 4$/),
      grpcCase('that is well', '0', /OK OK 0 0$/),
      grpcCase('without a name', '99', / 99 99 99 99$/),
      grpcCase('that is no number', 'x', / \S+ \S+ \S+ \S+$/),
      ...json,
      ...filtered,
    ],
  },
];

if (import.meta.main) compare(groups);
