/** Endpoints with several addresses: which is tried first, and what when it does not answer. */
import { dns } from './backend/dns.ts';
import { onTcp } from './backend/exchange.ts';
import { http1 as http1Backend } from './backend/http1.ts';
import { http2 as http2Backend } from './backend/http2.ts';
import { tcp as tcpBackend } from './backend/tcp.ts';
import {
  address,
  bootstrap,
  cluster,
  extension,
  http2Cluster,
  httpListener,
  listener,
  type Message,
  route,
  tcpProxy,
} from './harness/bootstrap.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, http1 } from './wire/http1.ts';

const sent = (name: string, to: string, expect: Expectation, more: Partial<Case> = {}): Case => ({
  name: `addresses: ${name}`,
  covers: 'addresses',
  play: http1([get(`/${to}`)]),
  expect,
  ...more,
});

const byFour: Expectation = { status: 200, upstream: /four\| GET/ };
const bySix: Expectation = { status: 200, upstream: /six\| GET/ };

const cases: readonly Case[] = [
  sent('the first answers', 'first', {
    ...byFour,
    log: / host=127.0.0.1:BACKEND_four remote=127.0.0.1:BACKEND_four$/,
    stats: { 'cluster.first.upstream_cx_total': 1 },
  }),
  sent('the first refuses', 'second', {
    ...byFour,
    log: / remote=127.0.0.1:BACKEND_four$/,
    stats: {
      'cluster.second.upstream_cx_total': 2,
      'cluster.second.upstream_cx_destroy': 0,
      'cluster.second.upstream_cx_connect_fail': 0,
    },
  }),
  sent('all refuse', 'none', {
    status: 503,
    log: / 503 UF upstream_reset_before_response_started\{remote_connection_failure\|delayed_connect_error:_Connection_refused\} /,
    stats: {
      'cluster.none.upstream_cx_total': 2,
      'cluster.none.upstream_cx_destroy': 1,
      'cluster.none.upstream_cx_destroy_remote': 1,
      'cluster.none.upstream_cx_connect_fail': 1,
    },
  }),
  sent('the other version of IP comes second', 'turn', bySix),
  sent('so many of one version come first', 'count', byFour),
  sent('more than there are of one version', 'many', bySix),
  sent('IPv6 comes first', 'prefer-six', bySix),
  sent('IPv4 comes first', 'prefer-four', byFour),
  sent('the version asked for is not there', 'no-six', byFour),
  sent('a handshake that does not come', 'silent', {
    status: 200,
    upstream: /secure\| GET/,
    stats: { 'cluster.silent.upstream_cx_total': 2, 'cluster.silent.upstream_cx_connect_fail': 0 },
  }),
  sent('no handshake in time', 'timeout', {
    status: 503,
    log: / 503 UF .*connection_timeout/,
    stats: { 'cluster.timeout.upstream_cx_connect_timeout': 1 },
  }),
  sent('HTTP/2', 'two', { status: 200, upstream: /h2\| :method: GET/ }),
  sent('the addresses of a name', 'logical', {
    ...byFour,
    log: / remote=127.0.0.1:BACKEND_four$/,
  }),
  sent(
    'a connection without HTTP',
    'echo',
    { ...byFour, stats: { 'cluster.second.upstream_cx_total': 2 } },
    { on: 'tcp', logLines: 0 },
  ),
];

const CLOSED_PORT = 1;

const at = (...targets: readonly (readonly [port: number, host?: string])[]): Message => {
  const [first, ...others] = targets.map(([port, host]) => address(port, host));
  return { endpoint: { ...first, additional_addresses: others } };
};

const preferring = (version: string, count?: number): Message => ({
  upstream_connection_options: {
    happy_eyeballs_config: {
      first_address_family_version: version,
      ...(count !== undefined && { first_address_family_count: count }),
    },
  },
});

const secure: Message = {
  transport_socket: extension('tls', 'transport_sockets.tls.v3.UpstreamTlsContext'),
};

const paths = [
  ...['first', 'second', 'none', 'turn', 'count', 'many', 'prefer-six', 'prefer-four', 'no-six'],
  ...['silent', 'timeout', 'two', 'logical'],
];

export const groups: readonly Group[] = [
  {
    name: 'several addresses',
    backends: {
      four: http1Backend(),
      six: http1Backend({ host: '::1' }),
      secure: http1Backend({ tls: ({ server }) => ({ key: server.key, cert: server.cert }) }),
      quiet: tcpBackend(),
      h2: http2Backend(),
      dns: dns({ 'logical.example': ['127.0.0.9', '127.0.0.1'] }),
    },
    bootstrap: ({ ports: { four = 0, six = 0, secure: tls = 0, quiet = 0, h2 = 0, dns: names = 0 } }) => {
      const closed = [CLOSED_PORT] as const;
      const onSix = [six, '::1'] as const;
      return bootstrap(
        [
          httpListener('main', {
            routes: paths.map((path) => route(`/${path}`, { cluster: path, prefix_rewrite: '/echo' })),
            log: ['host=%UPSTREAM_HOST%', 'remote=%UPSTREAM_REMOTE_ADDRESS%'],
          }),
          listener('tcp', tcpProxy('tcp', { cluster: 'second' })),
        ],
        [
          cluster('first', [at([four], onSix)]),
          cluster('second', [at(closed, [four])]),
          cluster('none', [at(closed, [CLOSED_PORT, '::1'])]),
          cluster('turn', [at(closed, [four], onSix)]),
          cluster('count', [at(closed, [four], onSix)], preferring('DEFAULT', 2)),
          cluster('many', [at(closed, onSix)], preferring('DEFAULT', 5)),
          cluster('prefer-six', [at([four], onSix)], preferring('V6')),
          cluster('prefer-four', [at(onSix, [four])], preferring('V4')),
          cluster('no-six', [at(closed, [four])], preferring('V6')),
          cluster('silent', [at([quiet], [tls])], { ...secure, connect_timeout: '10s' }),
          cluster('timeout', [at([quiet], [quiet, '127.0.0.1'])], { ...secure, connect_timeout: '0.5s' }),
          http2Cluster('two', [at(closed, [h2])]),
          {
            ...cluster('logical', [{ endpoint: address(four, 'logical.example') }]),
            type: 'LOGICAL_DNS',
            dns_lookup_family: 'V4_ONLY',
            dns_refresh_rate: '1000s',
            typed_dns_resolver_config: extension(
              'cares',
              'network.dns_resolver.cares.v3.CaresDnsResolverConfig',
              {
                resolvers: [address(names).address],
                dns_resolver_options: { no_default_search_domain: true },
              },
            ),
          },
        ],
      );
    },
    cases: cases.map((one) => ({ answers: { quiet: onTcp(() => undefined) }, ...one })),
  },
];

if (import.meta.main) compare(groups);
