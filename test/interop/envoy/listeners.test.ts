/** Listeners: which chain takes a connection, addresses of all kinds, what is looked at first, draining, threads. */
import { connect } from 'node:net';
import { onTcp } from './backend/exchange.ts';
import { http1 as http1Backend } from './backend/http1.ts';
import { http2 as http2Backend } from './backend/http2.ts';
import { tcp as tcpBackend } from './backend/tcp.ts';
import {
  address,
  bootstrap,
  cluster,
  extension,
  http,
  http2Cluster,
  httpListener,
  inline,
  listener,
  type Message,
  tcpProxy,
} from './harness/bootstrap.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import type { Topic } from './harness/topics.ts';
import { get, type Http1Options, http1, type Step } from './wire/http1.ts';
import { h2Get, http2 } from './wire/http2.ts';
import { https, type TcpOptions, tcp } from './wire/tcp.ts';

const row = (
  covers: Topic,
  on: string,
  name: string,
  steps: readonly Step[],
  expect: Expectation,
  options: Http1Options = {},
): Case => ({
  ...{ name: `listener: ${name}`, covers, on, expect },
  play: http1(steps, options),
});

const tls =
  (servername: string, more: { readonly ALPNProtocols?: string[] } = {}): NonNullable<TcpOptions['tls']> =>
  ({ certificates }) => ({
    ...{ servername, ca: certificates.ca, checkServerIdentity: () => undefined },
    ...more,
  });
const secure = (
  name: string,
  servername: string,
  expect: Expectation,
  ALPNProtocols?: string[],
  on = 'chains',
): Case => ({
  ...{ name: `chain: ${name}`, covers: 'listeners', on, expect },
  play: https([get('/')], { tls: tls(servername, ALPNProtocols === undefined ? {} : { ALPNProtocols }) }),
});

/** Envoy's order: destination port, address, server name, transport, ALPN, source. */
const chains: readonly Case[] = [
  secure('an exact name before a wildcard', 'server.example', { client: /"exact"/ }),
  secure('a wildcard', 'other.example', { client: /"wildcard"/ }),
  secure('the longest wildcard', 'a.deep.example', { client: /"deep"/ }),
  secure('no name: a chain without one', '', { client: /"tls"/ }),
  secure('ALPN within a name', 'server.example', { client: /"alpn"/ }, ['special', 'http/1.1']),
  secure('a name before ALPN', 'none.test', { client: /"tls"/ }, ['special']),
  row('listeners', 'chains', 'chain: plaintext', [get('/')], { client: /"plain"/ }),
  row('listeners', 'sources', 'chain: the longest source', [get('/')], { client: /"this host"/ }),
  row('listeners', 'source-type', 'chain: from this host', [get('/')], { client: /"local"/ }),
  row('listeners', 'default', 'chain: the default', [get('/')], { client: /"default"/ }),
  {
    ...row('listeners', 'none', 'chain: none matches', [get('/')], {
      status: [],
      connection: 'closed',
      log: 'nothing',
      stats: { 'listener.none.no_filter_chain_match': 1 },
    }),
  },
];

const addresses: readonly Case[] = [
  row('listeners', 'several', 'the first of several addresses', [get('/echo')], { status: 200 }),
  {
    name: 'listener: a Unix socket',
    covers: 'listeners',
    on: 'several',
    play: async (play) => http1([get('/echo')], { host: `${play.folder}/socket` })(play),
    expect: { status: 200, connection: 'open' },
  },
  {
    name: 'listener: an upstream on a Unix socket that is not there',
    covers: 'listeners',
    on: 'to-pipe',
    play: http1([get('/echo')]),
    expect: { status: 503, log: / 503 UF / },
  },
];

const inspected: readonly Case[] = [
  row('inspectors', 'auto', 'http_inspector sees HTTP/1', [get('/echo')], { client: /"http1"/ }),
  {
    name: 'listener: http_inspector sees HTTP/2',
    covers: 'inspectors',
    on: 'auto',
    play: http2([h2Get('/echo')], { streams: [1], whole: true }),
    expect: { status: 200, client: /data: "http2"/ },
  },
  {
    name: 'listener: http_inspector sees neither',
    covers: 'inspectors',
    on: 'auto',
    logLines: 1,
    play: tcp(['hello there, friends\r\n', { until: /echo/ }, { end: true }]),
    expect: { upstream: /^tcp\| "hello there/ },
  },
  {
    name: 'listener: tls_inspector sees TLS',
    covers: 'inspectors',
    on: 'tls-or-not',
    play: https([get('/')], { tls: tls('server.example') }),
    expect: { client: /"encrypted"/, stats: { 'tls_inspector.tls_found': 1 } },
  },
  row('inspectors', 'tls-or-not', 'tls_inspector sees none', [get('/')], {
    client: /"plain"/,
    stats: { 'tls_inspector.tls_not_found': 1 },
  }),
  {
    name: 'listener: a client that waits, and the timeout goes on',
    covers: 'inspectors',
    on: 'patient',
    logLines: 1,
    play: tcp([{ until: /welcome/ }, { end: true }]),
    answers: {
      tcp: onTcp(async (t) => {
        t.write('welcome');
        await t.until(/never/);
        t.end();
      }),
    },
    expect: { client: /welcome/, stats: { 'listener.patient.downstream_pre_cx_timeout': 1 } },
  },
  {
    name: 'listener: a client that waits, and the timeout ends it',
    covers: 'inspectors',
    on: 'impatient',
    logLines: 0,
    play: tcp([]),
    expect: {
      client: /tunnel: ""/,
      upstream: 'nothing',
      stats: { 'listener.impatient.downstream_pre_cx_timeout': 1 },
    },
  },
  {
    name: 'listener: a hello in many pieces',
    covers: 'inspectors',
    on: 'tls-or-not',
    play: https([get('/')], { tls: tls(`${'long-'.repeat(40)}x.example`) }),
    expect: { client: /"encrypted"/ },
  },
];

/** What a codec_type of AUTO takes for HTTP/2. */
const autos: readonly Case[] = [
  row('conversion', 'main', 'AUTO takes HTTP/1', [get('/echo')], { status: 200, log: /HTTP\/1\.1"/ }),
  {
    name: 'listener: AUTO takes HTTP/2',
    covers: 'conversion',
    on: 'main',
    play: http2([h2Get('/echo')]),
    expect: { status: 200, log: /HTTP\/2"/ },
  },
  {
    name: 'listener: use_downstream_protocol keeps HTTP/1',
    covers: 'conversion',
    on: 'same',
    play: http1([get('/echo')]),
    expect: { status: 200, upstream: /^a\| GET \/echo HTTP\/1\.1/ },
  },
  {
    name: 'listener: use_downstream_protocol keeps HTTP/2',
    covers: 'conversion',
    on: 'same',
    play: http2([h2Get('/two/echo')]),
    expect: { status: 200, upstream: /^h2\| :method: GET/ },
  },
];

const six: readonly Case[] = [
  row(
    'ipv6',
    'six',
    'IPv6: a listener and an endpoint',
    [get('/echo')],
    { status: 200, upstream: [/^six\| GET/, /x-envoy-external-address: ::1/] },
    { host: '::1' },
  ),
  row('ipv6', 'six-sources', 'IPv6: a source range', [get('/')], { client: /"six"/ }, { host: '::1' }),
  row('ipv6', 'both', 'IPv6: both kinds on one port, IPv4', [get('/echo')], {
    status: 200,
    upstream: /x-forwarded-for: 127\.0\.0\.1|x-forwarded-for: /,
  }),
  row(
    'ipv6',
    'both',
    'IPv6: both kinds on one port, IPv6',
    [get('/echo')],
    { status: 200, upstream: /x-envoy-external-address: ::1/ },
    { host: '::1' },
  ),
  {
    name: 'IPv6: tcp_proxy',
    covers: 'ipv6',
    on: 'six-tcp',
    logLines: 1,
    play: tcp(['hello', { until: /echo hello/ }, { end: true }], { host: '::1' }),
    expect: { client: /echo hello/ },
  },
];

/** A second connection, from the same client, while the first one is open. */
const second = (name: string, on: string, expect: Expectation): Case => ({
  ...{ name: `listener: ${name}`, covers: 'limits', on, expect },
  play: async (play) => {
    const first = connect({ port: play.port(), host: '127.0.0.1' });
    play.after(() => first.destroy());
    first.write('GET /status/200 HTTP/1.1\r\nhost: a\r\nx-test: probe\r\n\r\n');
    await new Promise((resolve) => first.once('data', resolve));
    return http1([get('/echo')])(play);
  },
});

const limits: readonly Case[] = [
  second('connection_limit refuses the second', 'limited', {
    status: [],
    connection: 'closed',
    stats: { 'connection_limit.limited.limited_connections': 1 },
  }),
  row('limits', 'limited', 'connection_limit takes one', [get('/echo')], { status: 200 }),
  row('limits', 'small', 'max_request_headers_kb', [get('/echo', `x-a: ${'a'.repeat(9000)}`)], {
    status: 431,
  }),
  row(
    'limits',
    'small',
    'max_headers_count',
    [get('/echo', ...Array.from({ length: 20 }, (_, at) => `x-${at}: a`))],
    { status: 431 },
  ),
  row(
    'limits',
    'buffered',
    'a body larger than the buffer limit passes as it comes',
    [
      ({ id }) =>
        `POST /length HTTP/1.1\r\nhost: a\r\nx-test: ${id}\r\ncontent-length: 100000\r\n\r\n${'x'.repeat(100_000)}`,
    ],
    { status: 200, client: /"100000"/ },
    { methods: ['POST'] },
  ),
  row('limits', 'breakers', 'circuit breakers: no request is allowed', [get('/none')], {
    status: 503,
    log: / 503 UO upstream_reset_before_response_started\{overflow\} /,
    stats: { 'cluster.none.upstream_rq_pending_overflow': 1 },
  }),
  row('limits', 'breakers', 'circuit breakers: no retry is allowed', [get('/retries')], {
    status: 503,
    log: / 503 URX? ?| 503 /,
    stats: { 'cluster.retries.upstream_rq_retry_overflow': 1 },
  }),
];

const direct = (name: string, body: string): Message =>
  http(name, {
    routes: [{ match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: body } } }],
  });
const inspector = (name: string): Message =>
  extension(
    name,
    name === 'tls'
      ? 'filters.listener.tls_inspector.v3.TlsInspector'
      : 'filters.listener.http_inspector.v3.HttpInspector',
  );
const range = (address_prefix: string, prefix_len: number): Message => ({ address_prefix, prefix_len });

export const groups: readonly Group[] = [
  {
    name: 'listeners',
    backends: {
      a: http1Backend(),
      h2: http2Backend(),
      tcp: tcpBackend(),
      six: http1Backend({ host: '::1' }),
      'six-tcp': tcpBackend({ host: '::1' }),
    },
    bootstrap: ({ ports, certificates: { server } }) => {
      const encrypted: Message = {
        transport_socket: extension('tls', 'transport_sockets.tls.v3.DownstreamTlsContext', {
          common_tls_context: {
            tls_certificates: [{ certificate_chain: inline(server.cert), private_key: inline(server.key) }],
            alpn_protocols: ['special', 'http/1.1'],
          },
        }),
      };
      const chain = (name: string, match: Message, body: string, more: Message = {}): Message => ({
        name: body,
        filter_chain_match: match,
        filters: [direct(name, body)],
        ...more,
      });
      const at = (name: string, more: Message): Message => ({ ...listener(name, {}), ...more });
      const endpoint = (host: string, port: number): Message => ({ endpoint: address(port, host) });
      return bootstrap(
        [
          httpListener('main'),
          at('chains', {
            listener_filters: [inspector('tls')],
            filter_chains: [
              chain('chains', { server_names: ['server.example'] }, 'exact', encrypted),
              chain(
                'chains',
                { server_names: ['server.example'], application_protocols: ['special'] },
                'alpn',
                encrypted,
              ),
              chain('chains', { server_names: ['*.example'] }, 'wildcard', encrypted),
              chain('chains', { server_names: ['*.deep.example'] }, 'deep', encrypted),
              chain('chains', { transport_protocol: 'tls' }, 'tls', encrypted),
              chain('chains', { transport_protocol: 'raw_buffer' }, 'plain'),
            ],
          }),
          at('sources', {
            filter_chains: [
              chain('sources', { source_prefix_ranges: [range('127.0.0.0', 8)] }, 'this network'),
              chain('sources', { source_prefix_ranges: [range('127.0.0.1', 32)] }, 'this host'),
            ],
          }),
          at('source-type', {
            filter_chains: [
              chain('source-type', { source_type: 'SAME_IP_OR_LOOPBACK' }, 'local'),
              chain('source-type', { source_type: 'EXTERNAL' }, 'outside'),
            ],
          }),
          at('default', {
            filter_chains: [chain('default', { source_prefix_ranges: [range('10.0.0.0', 8)] }, 'ten')],
            default_filter_chain: { filters: [direct('default', 'default')] },
          }),
          at('none', {
            filter_chains: [chain('none', { source_prefix_ranges: [range('10.0.0.0', 8)] }, 'ten')],
          }),
          at('several', {
            filter_chains: [{ filters: [http('several')] }],
            additional_addresses: [{ address: { pipe: { path: '@FOLDER@/socket' } } }],
          }),
          httpListener('to-pipe', { routes: [{ match: { prefix: '/' }, route: { cluster: 'pipe' } }] }),
          at('auto', {
            listener_filters: [inspector('http')],
            filter_chains: [
              chain('auto', { application_protocols: ['h2c'] }, 'http2'),
              chain('auto', { application_protocols: ['http/1.1', 'http/1.0'] }, 'http1'),
              { filter_chain_match: {}, filters: [tcpProxy('auto', { cluster: 'tcp' })] },
            ],
          }),
          at('tls-or-not', {
            listener_filters: [inspector('tls')],
            filter_chains: [
              chain('tls-or-not', { transport_protocol: 'tls' }, 'encrypted', encrypted),
              chain('tls-or-not', {}, 'plain'),
            ],
          }),
          at('patient', {
            listener_filters: [inspector('tls')],
            listener_filters_timeout: '0.1s',
            continue_on_listener_filters_timeout: true,
            filter_chains: [{ filters: [tcpProxy('patient', { cluster: 'tcp' })] }],
          }),
          at('impatient', {
            listener_filters: [inspector('tls')],
            listener_filters_timeout: '0.1s',
            filter_chains: [{ filters: [tcpProxy('impatient', { cluster: 'tcp' })] }],
          }),
          httpListener('same', {
            routes: [
              { match: { prefix: '/status' }, route: { cluster: 'a' } },
              { match: { prefix: '/two' }, route: { cluster: 'same-h2', prefix_rewrite: '' } },
              { match: { prefix: '/' }, route: { cluster: 'same' } },
            ],
          }),
          at('six', {
            ...address(0, '::1'),
            filter_chains: [
              {
                filters: [
                  http('six', {
                    hcm: { use_remote_address: true },
                    routes: [{ match: { prefix: '/' }, route: { cluster: 'six' } }],
                  }),
                ],
              },
            ],
          }),
          at('six-sources', {
            ...address(0, '::1'),
            filter_chains: [
              chain('six-sources', { source_prefix_ranges: [range('::1', 128)] }, 'six'),
              chain('six-sources', { source_prefix_ranges: [range('::', 1)] }, 'half'),
            ],
          }),
          at('both', {
            address: { socket_address: { address: '::', port_value: 0, ipv4_compat: true } },
            filter_chains: [{ filters: [http('both', { hcm: { use_remote_address: true } })] }],
          }),
          at('six-tcp', {
            ...address(0, '::1'),
            filter_chains: [{ filters: [tcpProxy('six-tcp', { cluster: 'six-tcp' })] }],
          }),
          at('limited', {
            filter_chains: [
              {
                filters: [
                  extension(
                    'envoy.filters.network.connection_limit',
                    'filters.network.connection_limit.v3.ConnectionLimit',
                    { stat_prefix: 'limited', max_connections: 1 },
                  ),
                  http('limited'),
                ],
              },
            ],
          }),
          httpListener('small', {
            hcm: { max_request_headers_kb: 8, common_http_protocol_options: { max_headers_count: 10 } },
          }),
          httpListener('buffered', {}, { per_connection_buffer_limit_bytes: 10_000 }),
          httpListener('breakers', {
            routes: [
              { match: { prefix: '/none' }, route: { cluster: 'none' } },
              {
                match: { prefix: '/retries' },
                route: {
                  cluster: 'retries',
                  prefix_rewrite: '/status/503',
                  retry_policy: { retry_on: '5xx', num_retries: 2 },
                },
              },
            ],
          }),
        ],
        [
          cluster('a', [ports.a!]),
          cluster('tcp', [ports.tcp!]),
          cluster('pipe', [{ endpoint: { address: { pipe: { path: '@FOLDER@/nobody' } } } }]),
          cluster('six', [endpoint('::1', ports.six!)]),
          cluster('six-tcp', [endpoint('::1', ports['six-tcp']!)]),
          cluster('same', [ports.a!], sameProtocol),
          cluster('same-h2', [ports.h2!], sameProtocol),
          http2Cluster('h2', [ports.h2!]),
          cluster('none', [ports.a!], {
            circuit_breakers: { thresholds: [{ max_pending_requests: 0, max_requests: 0 }] },
          }),
          cluster('retries', [ports.a!], { circuit_breakers: { thresholds: [{ max_retries: 0 }] } }),
        ],
      );
    },
    cases: [...chains, ...addresses, ...inspected, ...autos, ...six, ...limits],
  },
];

const sameProtocol: Message = {
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      use_downstream_protocol_config: { http_protocol_options: {}, http2_protocol_options: {} },
    },
  },
};

if (import.meta.main) compare(groups);
