/** Fields of clusters and of load assignments that stand alone. */
import { type DnsBackend, dns } from './backend/dns.ts';
import { http1 as http1Backend } from './backend/http1.ts';
import { http2 as http2Backend } from './backend/http2.ts';
import { adminLines, untilPage } from './harness/admin-lines.ts';
import {
  address,
  bootstrap,
  cluster,
  extension,
  http2Cluster,
  httpListener,
  type Message,
  protocolOptions,
  route,
} from './harness/bootstrap.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, http1 } from './wire/http1.ts';

/** Requests one after the other, each on a connection of its own. */
const apart = (name: string, to: string, requests: number, expect: Expectation): Case => ({
  name: `clusters: ${name}`,
  covers: 'clusters',
  play: async (play) => {
    const statuses: number[] = [];
    const lines: string[] = [];
    for (let i = 0; i < requests; i++) {
      const view = await http1([get(`/${to}`)])(play);
      statuses.push(...view.statuses);
      lines.push(...view.lines);
    }
    return { statuses, lines };
  },
  expect,
});

/** Whether a connection that is idle outlasts another host beside its own. */
const anotherHost = (to: string, active: number): Case => ({
  name: `clusters: idle connections when hosts come, ${to}`,
  covers: 'clusters',
  uncounted: 'how often names are looked up is a matter of time',
  play: async (play) => {
    const resolver = play.backend('dns') as DnsBackend;
    const view = await http1([get(`/${to}`)])(play);
    resolver.tell(`${to}.example`, ['127.0.0.1', '127.0.0.2']);
    await untilPage(play, '/stats', new RegExp(`^cluster.${to}.membership_total: 2$`, 'm'));
    const gauge = new RegExp(`^cluster.${to}.upstream_cx_active: `);
    await untilPage(play, '/stats', new RegExp(`${gauge.source}${active}$`, 'm'));
    return { statuses: view.statuses, lines: await adminLines(play, '/stats', gauge) };
  },
  expect: { status: 200, client: new RegExp(`cx_active: ${active}$`) },
});

const cases: readonly Case[] = [
  apart('another name in figures and logs', 'named', 1, {
    status: 200,
    log: / to=shown$/,
    stats: { 'cluster.shown.upstream_rq_total': 1, 'cluster.shown.upstream_cx_total': 1 },
  }),
  apart('connections are shared', 'shared', 2, {
    status: [200, 200],
    stats: { 'cluster.shared.upstream_cx_total': 1 },
  }),
  apart('connections for each client', 'own', 2, {
    status: [200, 200],
    stats: { 'cluster.own.upstream_cx_total': 2 },
  }),
  apart('connections for each client, HTTP/2', 'own-two', 2, {
    status: [200, 200],
    stats: { 'cluster.own-two.upstream_cx_total': 2 },
  }),
  apart('all requests are dropped', 'dropped', 1, {
    status: 503,
    upstream: 'nothing',
    client: [/^x-envoy-unconditional-drop-overload: true/, /unconditional drop overload/],
    log: / 503 UDO unconditional_drop_overload /,
    stats: { 'cluster.dropped.upstream_rq_503': 1 },
  }),
  apart('almost all requests are dropped', 'almost', 1, {
    status: 503,
    upstream: 'nothing',
    client: [/^x-envoy-drop-overload: true/, /"drop overload"/],
    log: / 503 DO drop_overload /,
  }),
  apart('no requests are dropped', 'kept', 1, { status: 200, upstream: /a\| GET/ }),
  apart('a share of nothing', 'nothing', 1, { status: 200, upstream: /a\| GET/ }),
  apart('connections end at a time that is drawn', 'drawn', 1, {
    status: 200,
    stats: { 'cluster.drawn.upstream_cx_max_duration_reached': 1 },
  }),
  apart('connections end at a time that is drawn, HTTP/2', 'drawn-two', 1, {
    status: 200,
    stats: { 'cluster.drawn-two.upstream_cx_max_duration_reached': 1 },
  }),
];

const dropping = (name: string, port: number, percentage: Message): Message => ({
  ...cluster(name, [port]),
  load_assignment: {
    cluster_name: name,
    endpoints: [{ lb_endpoints: [{ endpoint: address(port) }] }],
    policy: { drop_overloads: [{ category: 'test', drop_percentage: percentage }] },
  },
});

const named = (name: string, port: number, resolver: number, more: Message = {}): Message => ({
  ...cluster(name, [{ endpoint: address(port, `${name}.example`) }]),
  type: 'STRICT_DNS',
  dns_lookup_family: 'V4_ONLY',
  dns_refresh_rate: '0.1s',
  typed_dns_resolver_config: extension('cares', 'network.dns_resolver.cares.v3.CaresDnsResolverConfig', {
    resolvers: [address(resolver).address],
    dns_resolver_options: { no_default_search_domain: true },
  }),
  ...more,
});

const lasting = (protocol: string): Message =>
  protocolOptions({
    explicit_http_config: { [protocol]: {} },
    common_http_protocol_options: {
      max_connection_duration: '0.2s',
      max_connection_duration_jitter: { value: 50 },
    },
  });

const paths = [
  // Those that begin as others do come first.
  ...['named', 'shared', 'own-two', 'own', 'dropped', 'almost', 'kept', 'nothing', 'drawn-two', 'drawn'],
];

const MILLION = 'MILLION';

export const groups: readonly Group[] = [
  {
    name: 'fields of clusters',
    backends: {
      a: http1Backend({ host: '0.0.0.0' }),
      h2: http2Backend(),
    },
    bootstrap: ({ ports: { a = 0, h2 = 0 } }) =>
      bootstrap(
        [
          httpListener('main', {
            routes: paths.map((path) => route(`/${path}`, { cluster: path, prefix_rewrite: '/echo' })),
          }),
        ],
        [
          cluster('named', [a], { alt_stat_name: 'shown' }),
          cluster('shared', [a]),
          cluster('own', [a], { connection_pool_per_downstream_connection: true }),
          http2Cluster('own-two', [h2], { connection_pool_per_downstream_connection: true }),
          dropping('dropped', a, { numerator: 100 }),
          dropping('almost', a, { numerator: 999_999, denominator: MILLION }),
          dropping('kept', a, { numerator: 0 }),
          dropping('nothing', a, {}),
          cluster('drawn', [a], lasting('http_protocol_options')),
          cluster('drawn-two', [h2], lasting('http2_protocol_options')),
        ],
      ),
    cases,
  },
  {
    name: 'clusters whose hosts change',
    backends: {
      a: http1Backend({ host: '0.0.0.0' }),
      dns: dns({ 'staying.example': ['127.0.0.1'], 'renewing.example': ['127.0.0.1'] }),
    },
    bootstrap: ({ ports: { a = 0, dns: resolver = 0 } }) =>
      bootstrap(
        [
          httpListener('main', {
            routes: ['staying', 'renewing'].map((path) =>
              route(`/${path}`, { cluster: path, prefix_rewrite: '/echo' }),
            ),
          }),
        ],
        [
          named('staying', a, resolver),
          named('renewing', a, resolver, {
            common_lb_config: { close_connections_on_host_set_change: true },
          }),
        ],
      ),
    cases: [anotherHost('staying', 1), anotherHost('renewing', 0)],
  },
];

if (import.meta.main) compare(groups);
