/** Everything that ends because time is up. Each limit is short, and has a listener of its own. */
import { http1 as http1Backend } from './backend/http1.ts';
import { bootstrap, cluster, extension, httpListener, type Message, route } from './harness/bootstrap.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, type Http1Options, head, http1, request, type Step } from './wire/http1.ts';
import { type H2Step, type Http2Options, h2Get, h2Post, http2 } from './wire/http2.ts';

const on = (
  listener: string,
  name: string,
  steps: readonly Step[],
  expect: Expectation,
  options: Http1Options = {},
): Case => ({ ...{ name, covers: 'timeouts', on: listener, expect }, play: http1(steps, options) });

const h2On = (
  listener: string,
  name: string,
  steps: readonly H2Step[],
  expect: Expectation,
  options: Http2Options = {},
): Case => ({ ...{ name, covers: 'timeouts', on: listener, expect }, play: http2(steps, options) });

const pair = { methods: ['GET', 'GET'] };

const streamIdle: readonly Case[] = [
  on('stream-idle', 'stream idle timeout', [get('/slow')], {
    status: 504,
    client: /"stream timeout"/,
    log: / 504 SI stream_idle_timeout /,
    stats: { 'http.stream-idle.downstream_rq_idle_timeout': 1 },
  }),
  on(
    'stream-idle',
    'stream idle timeout in the body of a request',
    [request('POST', '/echo', ['content-length: 5'], 'ab')],
    { status: 408, log: / 408 SI stream_idle_timeout / },
    { methods: ['POST'] },
  ),
  on('stream-idle', 'stream idle timeout in the body of a response', [get('/partial')], {
    status: 200,
    connection: 'closed',
    client: /body by incomplete/,
    log: / 200 SI stream_idle_timeout /,
  }),
  on('stream-idle', 'stream idle timeout of the route', [get('/route-idle')], {
    status: 504,
    log: / 504 SI /,
  }),
  h2On('stream-idle', 'stream idle timeout of HTTP/2', [h2Get('/slow')], { status: 504, connection: 'open' }),
  h2On('stream-idle', 'stream idle timeout in the body of a response over HTTP/2', [h2Get('/partial')], {
    status: 200,
    connection: 'open',
    client: /^reset /,
  }),
  h2On('stream-idle', 'stream idle timeout in the body of a request over HTTP/2', [h2Post('/echo')], {
    status: 408,
    connection: 'open',
  }),
];

const connectionIdle: readonly Case[] = [
  on(
    'idle',
    'connection idle timeout',
    [get('/echo')],
    { status: 200, connection: 'closed', stats: { 'http.idle.downstream_cx_idle_timeout': 1 } },
    pair,
  ),
  {
    ...on('idle', 'connection idle timeout before a request', [], {
      status: [],
      connection: 'closed',
      log: 'nothing',
    }),
  },
  h2On(
    'idle',
    'connection idle timeout of HTTP/2',
    [h2Get('/echo'), { until: ({ goAways }) => goAways.length > 0 }],
    {
      status: 200,
      client: /^goaway 2147483647 NO_ERROR/,
      stats: { 'http.idle.downstream_cx_idle_timeout': 1 },
    },
    { noProbe: true },
  ),
  on(
    'duration',
    'max_connection_duration',
    [get('/echo')],
    {
      status: 200,
      connection: 'closed',
      stats: { 'http.duration.downstream_cx_max_duration_reached': 1 },
    },
    pair,
  ),
  h2On(
    'duration',
    'max_connection_duration of HTTP/2',
    [h2Get('/echo'), { until: ({ goAways }) => goAways.length > 1 }],
    {
      status: 200,
      client: /^goaway 2147483647 NO_ERROR\n(?:.*\n)*goaway 1 NO_ERROR/,
    },
    { noProbe: true },
  ),
];

const requests: readonly Case[] = [
  on(
    'request',
    'request_timeout',
    [request('POST', '/echo', ['content-length: 5'], 'ab')],
    {
      status: 408,
      client: /"request timeout"/,
      log: / 408 - request_overall_timeout /,
      stats: { 'http.request.downstream_rq_timeout': 1 },
    },
    { methods: ['POST'] },
  ),
  on('request', 'request_timeout does not count the answer', [get('/later')], {
    status: 200,
    connection: 'open',
  }),
  on('headers', 'request_headers_timeout', ['GET /echo HTTP/1.1\r\nhost: a\r\n'], {
    status: 408,
    log: / 408 - request_header_timeout /,
    stats: { 'http.headers.downstream_rq_header_timeout': 1 },
  }),
  on(
    'headers',
    'request_headers_timeout from the second request on',
    [get('/echo'), { until: /\r\n\r\n[\s\S]*\n\n/ }, 'GET /'],
    {
      status: [200, 408],
    },
    pair,
  ),
  on('stream-duration', 'max_stream_duration', [get('/slow')], {
    status: 504,
    log: / 504 - max_duration_timeout /,
    stats: { 'http.stream-duration.downstream_rq_max_duration_reached': 1 },
  }),
  on('stream-duration', 'max_stream_duration in a response', [get('/partial')], {
    status: 200,
    connection: 'closed',
  }),
  on('main', 'per-try timeout', [get('/per-try')], {
    status: 504,
    log: / 504 UT? ?/,
    stats: { 'cluster.a.upstream_rq_per_try_timeout': 2 },
  }),
  on(
    'main',
    'grpc-timeout within grpc_timeout_header_max',
    [get('/max-stream', 'content-type: application/grpc', 'grpc-timeout: 60m')],
    {
      status: 200,
      client: /grpc-status: 4/,
    },
  ),
  on('main', 'route timeout while a body comes', [get('/partial-timeout')], {
    status: 200,
    connection: 'closed',
    log: / 200 UT /,
  }),
  on('main', 'connect timeout', [get('/silent')], {
    status: 503,
    log: / 503 UF upstream_reset_before_response_started\{connection_timeout\} /,
  }),
  on('main', 'max_stream_duration of the route', [get('/max-stream')], {
    status: 504,
    log: / 504 - max_duration_timeout /,
  }),
];

const closing: readonly Case[] = [
  on('delayed', 'delayed_close_timeout', [head('BAD')], {
    status: 400,
    connection: 'closed',
    stats: { 'http.delayed.downstream_cx_delayed_close_timeout': 1 },
  }),
  on('undelayed', 'no delayed_close_timeout', [head('BAD')], {
    status: 400,
    connection: 'closed',
    stats: { 'http.undelayed.downstream_cx_delayed_close_timeout': 0 },
  }),
  on('drain', 'drain_timeout lets a request finish', [get('/later')], { status: 200 }),
];

const limit = (name: string, hcm: Message): Message =>
  httpListener(name, {
    hcm: { stream_idle_timeout: '10s', ...hcm },
    routes: [
      route('/route-idle', { idle_timeout: '0.1s', prefix_rewrite: '/slow', timeout: '0s' }),
      route('/per-try', {
        prefix_rewrite: '/slow',
        retry_policy: {
          retry_on: '5xx',
          num_retries: 1,
          per_try_timeout: '0.05s',
          retry_back_off: { base_interval: '0.001s' },
        },
      }),
      route('/partial-timeout', { prefix_rewrite: '/partial', timeout: '0.1s' }),
      route('/max-stream', {
        prefix_rewrite: '/slow',
        max_stream_duration: { max_stream_duration: '0.1s', grpc_timeout_header_max: '5s' },
      }),
      route('/cluster-duration', { cluster: 'bounded', prefix_rewrite: '/slow', timeout: '0s' }),
      route('/cluster-body', { cluster: 'bounded', prefix_rewrite: '/echo', timeout: '0s' }),
      route('/cluster-partial', { cluster: 'bounded', prefix_rewrite: '/partial', timeout: '0s' }),
      route('/cluster-quick', { cluster: 'bounded', prefix_rewrite: '/status/200', timeout: '0s' }),
      route('/cluster-again', {
        cluster: 'bounded',
        prefix_rewrite: '/slow',
        timeout: '0s',
        retry_policy: { retry_on: 'reset', num_retries: 1, retry_back_off: { base_interval: '0.001s' } },
      }),
      route('/silent', { cluster: 'silent' }),
      route('/', { timeout: '0s' }),
    ],
  });

const REACHED = 'cluster.bounded.upstream_rq_max_duration_reached';
const clusterDuration: readonly Case[] = [
  on('main', 'max_stream_duration of the cluster', [get('/cluster-duration')], {
    status: 504,
    client: /"upstream max stream duration reached"/,
    log: / 504 UMSDR upstream_max_stream_duration_reached /,
    stats: { [REACHED]: 1 },
  }),
  on(
    'main',
    'max_stream_duration of the cluster, in the body of a request',
    [request('POST', '/cluster-body', ['content-length: 5'], 'ab')],
    { status: 408, log: / 408 UMSDR upstream_max_stream_duration_reached / },
    { methods: ['POST'] },
  ),
  on('main', 'max_stream_duration of the cluster, in the body of a response', [get('/cluster-partial')], {
    status: 200,
    connection: 'closed',
    client: /body by incomplete/,
    stats: { [REACHED]: 1 },
  }),
  on('main', 'max_stream_duration of the cluster, of each try', [get('/cluster-again')], {
    status: 504,
    log: / 504 (?:URX,UMSDR|UMSDR,URX) /,
    stats: { [REACHED]: 2, 'cluster.bounded.upstream_rq_retry': 1 },
  }),
  on('main', 'max_stream_duration of the cluster, not reached', [get('/cluster-quick')], {
    status: 200,
    stats: { [REACHED]: 0 },
  }),
];

export const groups: readonly Group[] = [
  {
    name: 'timeouts',
    backends: { a: http1Backend() },
    bootstrap: ({ ports }) =>
      bootstrap(
        [
          limit('main', {}),
          limit('stream-idle', { stream_idle_timeout: '0.15s' }),
          limit('idle', { common_http_protocol_options: { idle_timeout: '0.15s' }, drain_timeout: '0.05s' }),
          limit('duration', {
            common_http_protocol_options: { max_connection_duration: '0.2s' },
            drain_timeout: '0.05s',
          }),
          limit('request', { request_timeout: '0.1s' }),
          limit('headers', { request_headers_timeout: '0.1s' }),
          limit('stream-duration', { common_http_protocol_options: { max_stream_duration: '0.15s' } }),
          limit('delayed', { delayed_close_timeout: '0.1s' }),
          limit('undelayed', { delayed_close_timeout: '0s' }),
          limit('drain', { drain_timeout: '0.1s' }),
        ],
        [
          cluster('a', [ports.a!]),
          cluster('bounded', [ports.a!], {
            typed_extension_protocol_options: {
              'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
                '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
                common_http_protocol_options: { max_stream_duration: '0.15s' },
                explicit_http_config: { http_protocol_options: {} },
              },
            },
          }),
          // Nobody there answers a handshake.
          cluster('silent', [ports.a!], {
            connect_timeout: '0.1s',
            transport_socket: extension('tls', 'transport_sockets.tls.v3.UpstreamTlsContext'),
          }),
        ],
      ),
    cases: [...clusterDuration, ...streamIdle, ...connectionIdle, ...requests, ...closing],
  },
];

if (import.meta.main) compare(groups);
