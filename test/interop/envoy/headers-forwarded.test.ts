/** Who a request comes from, what it was and who answered: forwarded headers, ids, Via, Server, Date, as configured. */
import { http1 as http1Backend } from './backend/http1.ts';
import {
  bootstrap,
  cluster,
  type HttpOptions,
  httpListener,
  type Message,
  route,
} from './harness/bootstrap.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, head, http1, request } from './wire/http1.ts';
import { h2Get, http2 } from './wire/http2.ts';

const on = (
  listener: string,
  name: string,
  headers: readonly string[],
  expect: Expectation,
  path = '/echo',
): Case => ({
  ...{ name, covers: 'headers', on: listener, expect },
  play: http1([get(path, ...headers)]),
});

const addresses: readonly Case[] = [
  on('edge', 'edge: the address of the client is appended', ['x-forwarded-for: 10.1.1.1'], {
    upstream: [/x-forwarded-for: 10\.1\.1\.1,/, /x-envoy-external-address: 127\.0\.0\.1/],
  }),
  on('edge', 'edge: without a header before', [], { upstream: /x-forwarded-for: / }),
  on('edge', 'edge: a list in one header', ['x-forwarded-for: 1.1.1.1, 2.2.2.2'], {
    upstream: /x-forwarded-for: 1\.1\.1\.1, ?2\.2\.2\.2,/,
  }),
  on('edge', 'edge: two headers', ['x-forwarded-for: 1.1.1.1', 'x-forwarded-for: 2.2.2.2'], {
    upstream: /x-forwarded-for: 1\.1\.1\.1,/,
  }),
  on(
    'edge',
    'edge: internal headers of the client',
    [
      'x-envoy-internal: true',
      'x-envoy-retry-on: 5xx',
      'x-envoy-max-retries: 3',
      'x-envoy-upstream-alt-stat-name: a',
      'x-envoy-decorator-operation: b',
      'x-envoy-hedge-on-per-try-timeout: true',
    ],
    { never: [/retry-on/, /max-retries/, /alt-stat/] },
  ),
  on('edge', 'edge: proto of the client', ['x-forwarded-proto: https'], {
    upstream: /x-forwarded-proto: http$/,
  }),
  on('edge', 'edge: x-forwarded-host and port', ['x-forwarded-host: a', 'x-forwarded-port: 1'], {
    upstream: /x-forwarded-host: a/,
  }),
  on('edge', 'edge: x-envoy-external-address of the client', ['x-envoy-external-address: 9.9.9.9'], {
    upstream: /external-address: 127\.0\.0\.1/,
  }),
  on(
    'inside',
    'not the edge: forwarded headers pass',
    ['x-forwarded-for: 10.1.1.1', 'x-forwarded-proto: https'],
    {
      upstream: [/x-forwarded-for: 10\.1\.1\.1$/, /x-forwarded-proto: https$/],
    },
  ),
  on('inside', 'not the edge: without a header before', [], {
    upstream: /x-forwarded-proto: http/,
    never: /x-forwarded-for/,
  }),
  on(
    'inside',
    'not the edge: a private address is not internal by itself',
    ['x-forwarded-for: 10.1.1.1', 'x-envoy-retry-on: 5xx'],
    {
      upstream: /x-forwarded-for: 10\.1\.1\.1$/,
      never: /x-envoy-internal/,
    },
  ),
  on('inside', 'not the edge: internal by internal_address_config', ['x-forwarded-for: 127.9.9.9'], {
    upstream: /x-envoy-internal: true/,
  }),
  on('inside', 'not the edge: a bad proto', ['x-forwarded-proto: ftp'], {
    upstream: /x-forwarded-proto: ftp/,
  }),
  on('hops', 'one trusted hop', ['x-forwarded-for: 1.1.1.1, 2.2.2.2'], {
    upstream: /external-address: 2\.2\.2\.2/,
  }),
  on('hops', 'one trusted hop, one address', ['x-forwarded-for: 1.1.1.1'], {
    upstream: /external-address: 1\.1\.1\.1/,
  }),
  on('hops', 'one trusted hop, no address', [], { upstream: /external-address: 127\.0\.0\.1/ }),
  on('hops', 'one trusted hop, no addresses but text', ['x-forwarded-for: me'], {
    upstream: [/external-address: 127\.0\.0\.1/, /x-forwarded-for: me,127/],
  }),
  on('hops', 'one trusted hop, proto', ['x-forwarded-proto: https'], {
    upstream: /x-forwarded-proto: https/,
  }),
  on(
    'inside-hops',
    'trusted hops without use_remote_address',
    ['x-forwarded-for: 1.1.1.1, 2.2.2.2, 3.3.3.3'],
    {
      upstream: /x-forwarded-for: 1\.1\.1\.1, 2\.2\.2\.2, 3\.3\.3\.3$/,
      never: /external-address/,
    },
  ),
  on('skip', 'skip_xff_append', ['x-forwarded-for: 1.1.1.1'], { upstream: /x-forwarded-for: 1\.1\.1\.1$/ }),
  on('matched', 'scheme_header_transformation', [], { upstream: /x-forwarded-proto: https/ }),
];

const ids: readonly Case[] = [
  on('edge', 'id: from outside is replaced', ['x-request-id: mine'], { upstream: /x-request-id: UUID/ }),
  on('inside', 'id: inside it is kept', ['x-request-id: mine'], { upstream: /x-request-id: mine/ }),
  on('keep-id', 'id: preserve_external_request_id', ['x-request-id: mine'], {
    upstream: /x-request-id: mine/,
  }),
  on('no-id', 'id: generate_request_id off', [], { never: /x-request-id/ }),
  on('no-id', 'id: generate_request_id off keeps one', ['x-request-id: mine'], {
    upstream: /x-request-id: mine/,
  }),
  on('respond-id', 'id: always_set_request_id_in_response', [], { client: /^x-request-id: UUID/ }),
];

const names: readonly Case[] = [
  on('via', 'via is added on both ways', [], { upstream: /via: here/, client: /^via: here/ }),
  on('via', 'via is appended', ['via: 1.0 there'], { upstream: /via: 1\.0 there, ?here/ }),
  on('server', 'server_name', [], { client: /^server: mine/ }, '/status/200'),
  on('append-server', 'server: APPEND_IF_ABSENT with one', [], { client: /^server: theirs/ }, '/server'),
  on(
    'append-server',
    'server: APPEND_IF_ABSENT without one',
    [],
    { client: /^server: envoy/ },
    '/status/200',
  ),
  on('pass-server', 'server: PASS_THROUGH with one', [], { client: /^server: theirs/ }, '/server'),
  on('pass-server', 'server: PASS_THROUGH without one', [], { never: /^server:/ }, '/status/200'),
  on('edge', 'server: OVERWRITE', [], { client: /^server: envoy/, never: /^server: theirs/ }, '/server'),
  on('edge', 'date of the upstream is replaced', [], { client: /^date: DATE/ }, '/date'),
  on('port', 'strip_any_host_port', [], { upstream: /host: test\.example$/ }),
  on('quiet', 'suppress_envoy_headers', [], { never: [/x-envoy-upstream-service-time/, /x-envoy-expected/] }),
  on(
    'edge',
    'append_x_forwarded_host',
    [],
    { upstream: [/x-forwarded-host: test\.example/, /host: rewritten/] },
    '/rewritten',
  ),
];

const agents: readonly Case[] = [
  on('agent', 'add_user_agent', [], { upstream: [/x-envoy-downstream-service-cluster: /] }),
  on('agent', 'add_user_agent with an agent', ['user-agent: mine'], { upstream: /user-agent: mine/ }),
  on('agent', 'x-envoy-downstream-service-node', [], { upstream: /x-envoy-downstream-service-node/ }),
];

/** @param seen by the upstream */
const dotted = (host: string, seen: string): Case => ({
  name: `strip_trailing_host_dot of ${host}`,
  covers: 'headers',
  on: 'dot',
  play: http1([head('GET /echo HTTP/1.1', `host: ${host}`, 'x-test: @ID@')]),
  expect: { upstream: new RegExp(`host: ?${RegExp.escape(seen)}$`) },
});

const dots: readonly Case[] = [
  dotted('test.example.', 'test.example'),
  dotted('test.example.:8080', 'test.example:8080'),
  dotted('test.example:8080', 'test.example:8080'),
  dotted('test.example..', 'test.example.'),
  dotted('test.example.:', 'test.example:'),
  dotted('test.example:8080.', 'test.example:8080'),
  dotted('.', ''),
  dotted('[::1]:8080', '[::1]:8080'),
  dotted('[::1].', '[::1]'),
  dotted('[::ffff:1.2.3.4]:8080', '[::ffff:1.2.3.4]:8080'),
  {
    name: 'strip_trailing_host_dot of a whole URL',
    covers: 'headers',
    on: 'dot',
    play: http1([head('GET http://test.example./echo HTTP/1.1', 'host: other.', 'x-test: @ID@')]),
    expect: { upstream: /host: test\.example$/ },
  },
  {
    name: 'a dot at the end is part of the name',
    covers: 'headers',
    on: 'edge',
    play: http1([head('GET /echo HTTP/1.1', 'host: test.example.', 'x-test: @ID@')]),
    expect: { upstream: /host: test\.example\.$/ },
  },
];

const proxies: readonly Case[] = [
  {
    name: 'strip_any_host_port with a port',
    covers: 'headers',
    on: 'port',
    play: http1([head('GET /echo HTTP/1.1', 'host: test.example:8080', 'x-test: @ID@')]),
    expect: { upstream: /host: test\.example$/ },
  },
  {
    name: 'strip_trailing_host_dot',
    covers: 'headers',
    on: 'port',
    play: http1([head('GET /echo HTTP/1.1', 'host: test.example.', 'x-test: @ID@')]),
    expect: { upstream: /host: test\.example$/ },
  },
  {
    name: 'forwarded headers over HTTP/2',
    covers: 'headers',
    on: 'edge',
    play: http2([
      h2Get('/echo', [
        ['x-forwarded-for', '10.0.0.1'],
        ['x-request-id', 'mine'],
      ]),
    ]),
    expect: { upstream: [/x-forwarded-for: 10\.0\.0\.1,/, /x-request-id: UUID/] },
  },
  {
    name: 'underscores: REJECT_REQUEST',
    covers: 'headers',
    on: 'no-underscore',
    play: http1([get('/echo', 'x_a: 1')]),
    expect: { status: 400, stats: { 'http1.requests_rejected_with_underscores_in_headers': 1 } },
  },
  {
    name: 'underscores: DROP_HEADER',
    covers: 'headers',
    on: 'drop-underscore',
    play: http1([get('/echo', 'x_a: 1')]),
    expect: { status: 200, never: /x_a/, stats: { 'http1.dropped_headers_with_underscores': 1 } },
  },
  {
    name: 'underscores over HTTP/2: REJECT_REQUEST',
    covers: 'headers',
    on: 'no-underscore',
    play: http2([h2Get('/echo', [['x_a', '1']])]),
    expect: { stats: { 'http2.requests_rejected_with_underscores_in_headers': 1 } },
  },
  {
    name: 'underscores over HTTP/2: DROP_HEADER',
    covers: 'headers',
    on: 'drop-underscore',
    play: http2([h2Get('/echo', [['x_a', '1']])]),
    expect: { status: 200, never: /x_a/, stats: { 'http2.dropped_headers_with_underscores': 1 } },
  },
  {
    name: 'stream_error_on_invalid_http_message: the connection goes on',
    covers: 'headers',
    on: 'lenient',
    play: http1([head('GET /echo HTTP/1.1', 'x-test: @ID@'), get('/echo')], { methods: ['GET', 'GET'] }),
    expect: { status: [400, 200], connection: 'open' },
  },
  {
    name: 'stream_error_on_invalid_http_message: what is no HTTP ends it',
    covers: 'headers',
    on: 'lenient',
    play: http1([head('nonsense')]),
    expect: { status: 400, connection: 'closed' },
  },
  {
    name: 'max_requests_per_connection',
    covers: 'headers',
    on: 'few',
    play: http1([get('/echo/1'), { until: /\n\n"?/ }, get('/echo/2')], { methods: ['GET', 'GET'] }),
    expect: {
      status: [200, 200],
      connection: 'closed',
      client: /^connection: close/,
      stats: { 'http.few.downstream_cx_max_requests_reached': 1 },
    },
  },
  {
    name: 'proxy_100_continue',
    covers: 'headers',
    on: 'continue',
    play: http1(
      [
        request('POST', '/continued', ['content-length: 2', 'expect: 100-continue']),
        { until: /100 Continue/ },
        'ok',
      ],
      { methods: ['POST'] },
    ),
    answers: {
      a: {
        http1: async ({ write, body }) => {
          write('HTTP/1.1 100 Continue\r\n\r\n');
          await body();
          write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
        },
      },
    },
    expect: { status: 200, upstream: /expect: 100-continue/ },
  },
];

const edge: Message = { use_remote_address: true };
const listeners = (
  manager: (name: string, hcm: Message, more?: HttpOptions) => Message,
): readonly Message[] => [
  manager('edge', edge),
  manager('inside', {
    internal_address_config: { cidr_ranges: [{ address_prefix: '127.0.0.0', prefix_len: 8 }] },
  }),
  manager('hops', { ...edge, xff_num_trusted_hops: 1 }),
  manager('inside-hops', { xff_num_trusted_hops: 2 }),
  manager('skip', { ...edge, skip_xff_append: true }),
  manager('matched', { scheme_header_transformation: { scheme_to_overwrite: 'https' } }),
  manager('keep-id', { ...edge, preserve_external_request_id: true }),
  manager('no-id', { generate_request_id: false }),
  manager('respond-id', { always_set_request_id_in_response: true }),
  manager('via', { via: 'here' }),
  manager('server', { server_name: 'mine' }),
  manager('append-server', { server_header_transformation: 'APPEND_IF_ABSENT' }),
  manager('pass-server', { server_header_transformation: 'PASS_THROUGH' }),
  manager('port', { strip_any_host_port: true, strip_trailing_host_dot: true }),
  manager('dot', { strip_trailing_host_dot: true }),
  manager('quiet', {
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router',
          suppress_envoy_headers: true,
        },
      },
    ],
  }),
  manager('no-underscore', {
    common_http_protocol_options: { headers_with_underscores_action: 'REJECT_REQUEST' },
  }),
  manager('drop-underscore', {
    common_http_protocol_options: { headers_with_underscores_action: 'DROP_HEADER' },
  }),
  manager('lenient', { stream_error_on_invalid_http_message: true }),
  manager('few', { common_http_protocol_options: { max_requests_per_connection: 2 } }),
  manager('continue', { proxy_100_continue: true }),
];

export const groups: readonly Group[] = [
  {
    name: 'forwarded headers',
    backends: { a: http1Backend() },
    bootstrap: ({ ports }) =>
      bootstrap(
        listeners((name, hcm, more = {}) =>
          httpListener(name, {
            ...more,
            hcm,
            routes: [
              route('/rewritten', {
                prefix_rewrite: '/echo',
                host_rewrite_literal: 'rewritten',
                append_x_forwarded_host: true,
              }),
              route('/'),
            ],
          }),
        ),
        [cluster('a', [ports.a!])],
        { node: { id: 'node-1', cluster: 'cluster-1' } },
      ),
    cases: [...addresses, ...ids, ...names, ...dots, ...proxies],
  },
  {
    name: 'user agents',
    backends: { a: http1Backend() },
    bootstrap: ({ ports }) =>
      bootstrap(
        [httpListener('agent', { hcm: { ...edge, add_user_agent: true } })],
        [cluster('a', [ports.a!])],
        { node: { id: 'node-1', cluster: 'cluster-1' } },
      ),
    cases: agents,
  },
];

if (import.meta.main) compare(groups);
